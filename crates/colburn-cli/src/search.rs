//! `colburn search`: queries in, the best documents of an index or of a file of texts out.

use std::num::NonZeroUsize;

use colburn::model::{ColBert, EncodeOptions, Kind, ahead};
use colburn::ops::device::by_name;
use colburn::search::{ExactSearch, Floor, Packed, RerankResult, Scoring};

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
        EncodeOptions { batch_size: batch_size(arguments), prompt: prompts.query, ..EncodeOptions::default() };
    let encode = |queries: &[Document]| -> Result<Packed> {
        let texts: Vec<&str> = queries.iter().map(|query| query.text.as_str()).collect();
        Ok(Packed::from_embeddings(&model.encode(&texts, Kind::Query, &options)?)?)
    };
    let scoring = Scoring::for_device(&device);
    let mut results = Vec::with_capacity(queries.len());
    if let Some(index) = index {
        index.check_model(&model)?;
        for queries in queries.chunks(QUERIES) {
            results.extend(index.search(&encode(queries)?, arguments, &scoring)?);
        }
    }
    if let Some(corpus) = corpus {
        results = search_corpus(corpus, &encode(&queries)?, &model, prompts.document, (arguments, scoring))?;
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

fn batch_size(arguments: &SearchArguments) -> Option<usize> {
    arguments.batch_size.map(NonZeroUsize::get)
}

/// Encodes documents a window at a time and keeps the best of each query. Where scores are computed on a device, vectors stay there.
fn search_corpus(
    corpus: Documents,
    queries: &Packed,
    model: &ColBert,
    prompt: Option<String>,
    (arguments, scoring): (&SearchArguments, Scoring),
) -> Result<Vec<Vec<RerankResult<String>>>> {
    let options = EncodeOptions { batch_size: batch_size(arguments), prompt, ..EncodeOptions::default() };
    let on_device = matches!(scoring, Scoring::Device(_));
    let mut search = ExactSearch::new(queries, arguments.k.get())?.scoring(scoring);
    let window = model.window(Kind::Document, &options).min(CHUNK);
    let mut ids: Vec<String> = Vec::new();
    ahead(corpus.windows(window, model.tokenizing(Kind::Document, &options)), |windows| -> Result<()> {
        if on_device {
            for window in windows {
                let (new, tokens) = window?;
                for batch in model.batches(&tokens, &options)? {
                    let numbers: Vec<usize> = batch.iter().map(|text| ids.len() + text).collect();
                    let embeddings = model.embed(&tokens.select(&batch), &options)?;
                    search.add_on_device(&numbers, &embeddings, Floor::None)?;
                }
                ids.extend(new);
            }
            return Ok(());
        }
        for window in model.encode_windows(Kind::Document, &options, windows) {
            let (new, embeddings) = window?;
            let numbers: Vec<usize> = (ids.len()..ids.len() + new.len()).collect();
            search.add(&numbers, &Packed::from_embeddings(&embeddings)?, Floor::None)?;
            ids.extend(new);
        }
        Ok(())
    })?;
    let hits = search.finish()?;
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

#[cfg(test)]
#[cfg(feature = "flex")]
mod tests {
    use std::fs;

    use clap::Parser;

    use super::*;
    use crate::command_line::{Command, CommandLine, TextArguments};

    #[test]
    fn documents_of_a_device_are_found_as_those_of_the_host() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("texts.csv");
        let text = |at: usize| format!("d{at},{at} {}\n", "late interaction of the king ".repeat(at % 7));
        fs::write(&path, format!("id,text\n{}", (0..40).map(text).collect::<String>())).unwrap();
        let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/tiny-colbert");
        let model = ColBert::from_pretrained(model, &by_name(Some("flex")).unwrap()).unwrap();
        let queries = model.encode(&["the king", "late"], Kind::Query, &EncodeOptions::default()).unwrap();
        let queries = Packed::from_embeddings(&queries).unwrap();
        let line = "colburn search --model m --corpus c --query q --k 5 --batch-size 3";
        let Command::Search(arguments) = CommandLine::try_parse_from(line.split_whitespace()).unwrap().command else {
            unreachable!()
        };
        let found = |scoring: Scoring| {
            let corpus = Documents::open(&path, &TextArguments::default()).unwrap();
            search_corpus(corpus, &queries, &model, None, (&arguments, scoring)).unwrap()
        };
        let (host, device) = (found(Scoring::Host), found(Scoring::Device(model.device())));
        assert!(host.iter().chain(&device).all(|results| results.len() == 5));
        for (host, device) in host.iter().flatten().zip(device.iter().flatten()) {
            assert!(host.id == device.id && (host.score - device.score).abs() < 1e-4, "{host:?} and {device:?}");
        }
    }
}
