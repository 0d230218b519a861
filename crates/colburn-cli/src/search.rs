//! `colburn search`: queries in, the best documents of an index or of a file of texts out.

use colburn::model::{ColBert, EncodeOptions, Kind, TokenEmbeddings};
use colburn::ops::device::by_name;
use colburn::search::{ExactSearch, Floor, Packed, RerankResult};

use crate::command_line::SearchArguments;
use crate::documents::{Document, Documents};
use crate::opened::{Opened, refuse_plaid_options};
use crate::prompts::{Asked, say_left_out};
use crate::runs::{self, Format};
use crate::{Error, Outcome, Result, output};

/// Documents of a corpus that are encoded at one time.
const CHUNK: usize = 2048;
/// Queries that are searched for at one time.
const QUERIES: usize = 4096;

pub fn run(arguments: &SearchArguments) -> Result<Outcome> {
    let device = by_name(arguments.device.name.as_deref())?;
    refuse_corpus_prompt(arguments)?;
    if let Some(path) = &arguments.output {
        Format::of(path)?;
        output::prepare(path)?;
    }
    let index = arguments.documents.index.as_deref().map(Opened::open).transpose()?;
    if !index.as_ref().is_some_and(Opened::is_plaid) {
        refuse_plaid_options(arguments)?;
    }
    let queries: Vec<Document> = match &arguments.queries.queries {
        Some(path) => Documents::open(path, &arguments.texts)?.collect::<Result<_>>()?,
        None => {
            let text = arguments.queries.query.clone().unwrap_or_default();
            vec![Document { id: "0".to_owned(), text }]
        }
    };
    if let Some(path) = &arguments.output {
        Format::of(path)?.check_ids(queries.iter().map(|query| query.id.as_str()))?;
    }
    let open = |path| Documents::open(path, &arguments.texts);
    let corpus = arguments.documents.corpus.as_deref().map(open).transpose()?;
    let model = arguments.precision.of(ColBert::from_pretrained(&arguments.model, &device)?)?;
    let prompts = prompts(arguments, &model)?;
    let options =
        EncodeOptions { batch_size: arguments.batch_size.get(), prompt: prompts.query, ..EncodeOptions::default() };
    let encode = |queries: &[Document]| -> Result<Packed> {
        let texts: Vec<&str> = queries.iter().map(|query| query.text.as_str()).collect();
        Ok(Packed::from_embeddings(&model.encode(&texts, Kind::Query, &options)?)?)
    };
    let mut results = Vec::with_capacity(queries.len());
    if let Some(index) = index {
        index.check_model(&model)?;
        for queries in queries.chunks(QUERIES) {
            results.extend(index.search(&encode(queries)?, arguments)?);
        }
    }
    if let Some(corpus) = corpus {
        results = search_corpus(corpus, &encode(&queries)?, &model, prompts.document, arguments)?;
    }
    match &arguments.output {
        Some(path) => {
            runs::write(path, &queries, &results)?;
            let found: usize = results.iter().map(Vec::len).sum();
            output::say(&format!("{} queries, {found} results: {}", queries.len(), path.display()));
        }
        None if arguments.queries.query.is_some() => list(results.iter().flatten()),
        None => {
            for (query, results) in queries.iter().zip(&results) {
                output::say(Format::JsonLines.lines(query, results)?.trim_end());
            }
        }
    }
    Ok(Outcome::Done)
}

/// The texts before queries and documents.
struct Prompts {
    query: Option<String>,
    document: Option<String>,
}

/// The prompts that were asked for. The documents of an index have theirs already.
fn prompts(arguments: &SearchArguments, model: &ColBert) -> Result<Prompts> {
    let prompts = &arguments.prompts;
    let query = Asked::new(prompts.query_prompt.as_ref(), prompts.query_prompt_name.as_ref());
    let document = Asked::new(prompts.corpus_prompt.as_ref(), prompts.corpus_prompt_name.as_ref());
    let mut encoded = vec![("the queries", query, Some("--query-prompt"))];
    if arguments.documents.corpus.is_some() {
        encoded.push(("the documents", document, Some("--corpus-prompt")));
    }
    say_left_out(model, &encoded);
    Ok(Prompts { query: query.of(model)?, document: document.of(model)? })
}

/// Refuses a prompt for documents that are encoded already.
fn refuse_corpus_prompt(arguments: &SearchArguments) -> Result<()> {
    let prompts = &arguments.prompts;
    if arguments.documents.corpus.is_some() || (prompts.corpus_prompt.is_none() && prompts.corpus_prompt_name.is_none())
    {
        return Ok(());
    }
    let message = "the documents of an index are encoded already; give their prompt to `index create`".to_owned();
    Err(Error::Text { place: "--corpus-prompt".to_owned(), message })
}

/// Encodes documents a chunk at a time and keeps the best of each query.
fn search_corpus(
    mut corpus: Documents,
    queries: &Packed,
    model: &ColBert,
    prompt: Option<String>,
    arguments: &SearchArguments,
) -> Result<Vec<Vec<RerankResult<String>>>> {
    let options = EncodeOptions { batch_size: arguments.batch_size.get(), prompt, ..EncodeOptions::default() };
    let mut search = ExactSearch::new(queries, arguments.k.get())?;
    let mut ids: Vec<String> = Vec::new();
    loop {
        let (new, texts): (Vec<_>, Vec<_>) =
            corpus.chunk(CHUNK)?.into_iter().map(|document| (document.id, document.text)).unzip();
        if new.is_empty() {
            break;
        }
        let embeddings: Vec<TokenEmbeddings> = model.encode(&texts, Kind::Document, &options)?;
        let numbers: Vec<usize> = (ids.len()..ids.len() + new.len()).collect();
        search.add(&numbers, &Packed::from_embeddings(&embeddings)?, Floor::None)?;
        ids.extend(new);
    }
    let hits = search.finish();
    let result = |hit: &colburn::search::Hit| RerankResult { id: ids[hit.document].clone(), score: hit.score };
    Ok(hits.iter().map(|hits| hits.iter().map(result).collect()).collect())
}

/// A list for people: rank, score, id.
fn list<'a>(results: impl Iterator<Item = &'a RerankResult<String>>) {
    let mut empty = true;
    for (at, result) in results.enumerate() {
        output::say(&format!("{:>3}  {:>9.4}  {}", at + 1, result.score, result.id));
        empty = false;
    }
    if empty {
        output::say("nothing was found");
    }
}
