//! `colburn rerank`: candidates of queries in, the same ordered by their scores out.

use std::collections::HashMap;
use std::path::Path;

use colburn::model::{ColBert, EncodeOptions, Kind, TokenEmbeddings};
use colburn::ops::device::by_name;
use colburn::search::{RerankResult, rerank};

use crate::command_line::RerankArguments;
use crate::documents::Document;
use crate::known::KnownTexts;
use crate::prompts::{Asked, say_left_out};
use crate::runs::{self, Candidates, Format, at_line};
use crate::{Outcome, Result, output};

/// Candidates that are encoded at one time, those of at least one query.
const CHUNK: usize = 2048;

pub fn run(arguments: &RerankArguments) -> Result<Outcome> {
    let device = by_name(arguments.device.name.as_deref())?;
    let format = Format::of(&arguments.output)?;
    output::prepare(&arguments.output)?;
    let candidates = runs::read(&arguments.candidates)?;
    for Candidates { query, documents, .. } in &candidates {
        format.check_ids(std::iter::once(query).chain(documents.iter().map(|(id, _)| id)).map(String::as_str))?;
    }
    let queries = queries(&candidates, arguments)?;
    let texts = texts(&candidates, arguments)?;
    let model = arguments.precision.of(ColBert::from_pretrained(&arguments.model, &device)?)?;

    let prompts = &arguments.prompts;
    let query = Asked::new(prompts.query_prompt.as_ref(), prompts.query_prompt_name.as_ref());
    let document = Asked::new(prompts.corpus_prompt.as_ref(), prompts.corpus_prompt_name.as_ref());
    say_left_out(
        &model,
        &[("the queries", query, Some("--query-prompt")), ("the documents", document, Some("--corpus-prompt"))],
    );
    let batch_size = arguments.batch_size.get();
    let options = |prompt| EncodeOptions { batch_size, prompt, ..EncodeOptions::default() };
    let options = Options { query: options(query.of(&model)?), document: options(document.of(&model)?) };

    let mut results = Vec::with_capacity(queries.len());
    for (queries, candidates) in chunks(&queries, &candidates) {
        results.extend(ordered(&model, queries, candidates, &texts, &options)?);
    }
    if let Some(k) = arguments.k {
        results.iter_mut().for_each(|results| results.truncate(k.get()));
    }
    runs::write(&arguments.output, &queries, &results)?;
    let found: usize = results.iter().map(Vec::len).sum();
    output::say(&format!("{} queries, {found} results: {}", queries.len(), arguments.output.display()));
    Ok(Outcome::Done)
}

/// The queries that there are candidates of, in the order of the candidates.
fn queries(candidates: &[Candidates], arguments: &RerankArguments) -> Result<Vec<Document>> {
    let wanted = candidates.iter().map(|candidates| candidates.query.as_str());
    let known = KnownTexts::read(&arguments.queries, &arguments.texts, wanted)?;
    let query = |candidates: &Candidates| match known.get(&candidates.query) {
        Some(text) => Ok(Document { id: candidates.query.clone(), text: text.to_owned() }),
        None => Err(unknown(arguments, candidates.line, "query", &candidates.query, &arguments.queries)),
    };
    candidates.iter().map(query).collect()
}

/// The texts of all candidates by their ids.
fn texts(candidates: &[Candidates], arguments: &RerankArguments) -> Result<KnownTexts> {
    let all = || candidates.iter().flat_map(|candidates| &candidates.documents);
    let wanted = all().map(|(id, _)| id.as_str());
    let known = KnownTexts::read(&arguments.documents, &arguments.texts, wanted)?;
    match all().find(|(id, _)| known.get(id).is_none()) {
        Some((id, line)) => Err(unknown(arguments, *line, "document", id, &arguments.documents)),
        None => Ok(known),
    }
}

fn unknown(arguments: &RerankArguments, line: usize, what: &str, id: &str, path: &Path) -> crate::Error {
    at_line(&arguments.candidates, line, format!("the {what} {id:?} is not in {}", path.display()))
}

/// Queries with their candidates, as many at a time as are to be encoded together.
fn chunks<'a>(
    mut queries: &'a [Document],
    mut candidates: &'a [Candidates],
) -> impl Iterator<Item = (&'a [Document], &'a [Candidates])> {
    std::iter::from_fn(move || {
        let mut documents = 0;
        let fits = |candidates: &&Candidates| {
            documents += candidates.documents.len();
            documents <= CHUNK
        };
        let count = candidates.iter().take_while(fits).count().max(1);
        if candidates.is_empty() {
            return None;
        }
        let chunk = (&queries[..count], &candidates[..count]);
        (queries, candidates) = (&queries[count..], &candidates[count..]);
        Some(chunk)
    })
}

/// The options of the encoding of either kind.
struct Options {
    query: EncodeOptions,
    document: EncodeOptions,
}

/// The candidates of some queries, best first.
fn ordered(
    model: &ColBert,
    queries: &[Document],
    candidates: &[Candidates],
    texts: &KnownTexts,
    options: &Options,
) -> Result<Vec<Vec<RerankResult<String>>>> {
    let query_texts: Vec<&str> = queries.iter().map(|query| query.text.as_str()).collect();
    let query_embeddings = model.encode(&query_texts, Kind::Query, &options.query)?;

    // A document that several queries have is encoded once.
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut documents: Vec<&str> = Vec::new();
    for (id, _) in candidates.iter().flat_map(|candidates| &candidates.documents) {
        if let Some(text) = texts.get(id) {
            places.entry(id).or_insert_with(|| {
                documents.push(text);
                documents.len() - 1
            });
        }
    }
    let encoded = model.encode(&documents, Kind::Document, &options.document)?;
    let ids = |candidates: &Candidates| candidates.documents.iter().map(|(id, _)| id.clone()).collect();
    let ids: Vec<Vec<String>> = candidates.iter().map(ids).collect();
    let embeddings = |ids: &Vec<String>| -> Vec<TokenEmbeddings> {
        ids.iter().filter_map(|id| Some(encoded[*places.get(id.as_str())?].clone())).collect()
    };
    let embeddings: Vec<Vec<TokenEmbeddings>> = ids.iter().map(embeddings).collect();
    Ok(rerank(&ids, &query_embeddings, &embeddings)?)
}
