//! `colburn rerank`: candidates of queries in, the same ordered by their scores out.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::Path;

use colburn::model::{ColBert, EncodeOptions, Error as ModelError, Kind, TokenEmbeddings, ahead};
use colburn::ops::device::{by_name, is_cpu};
use colburn::search::{DeviceRerank, Packed, RerankResult, rerank};

use crate::command_line::RerankArguments;
use crate::documents::Document;
use crate::known::KnownTexts;
use crate::prompts::{Asked, say_left_out};
use crate::runs::{self, Candidates, Format, at_line};
use crate::{Outcome, Result, output};

/// Candidates that are encoded at one time, those of at least one query.
const CHUNK: usize = 2048;
/// The same on a GPU, which does nothing while a chunk ends and the next one begins.
const DEVICE_CHUNK: usize = 8192;
/// Queries whose candidates are encoded at one time: on a GPU each is scored with the candidates of all.
const QUERIES: usize = 256;

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
    let batch_size = arguments.batch_size.map(NonZeroUsize::get);
    let options = |prompt| EncodeOptions { batch_size, prompt, ..EncodeOptions::default() };
    let options = Options { query: options(query.of(&model)?), document: options(document.of(&model)?) };

    let mut results = Vec::with_capacity(queries.len());
    let (size, order): (usize, Order) = if is_cpu(&device) { (CHUNK, order) } else { (DEVICE_CHUNK, order_on_device) };
    for (queries, candidates) in chunks(&queries, &candidates, size) {
        results.extend(order(&model, queries, &Chosen::of(candidates, &texts), &options)?);
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
    size: usize,
) -> impl Iterator<Item = (&'a [Document], &'a [Candidates])> {
    std::iter::from_fn(move || {
        let mut documents = 0;
        let fits = |candidates: &&Candidates| {
            documents += candidates.documents.len();
            documents <= size
        };
        let count = candidates.iter().take(QUERIES).take_while(fits).count().max(1);
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

/// The candidates of some queries. A document that several queries have is among the documents once.
struct Chosen<'a> {
    /// The documents, each with its id and its text.
    documents: Vec<(&'a str, &'a str)>,
    /// The candidates of each query by their places among the documents.
    places: Vec<Vec<usize>>,
}

impl<'a> Chosen<'a> {
    fn of(candidates: &'a [Candidates], texts: &'a KnownTexts) -> Self {
        let mut known: HashMap<&str, usize> = HashMap::new();
        let mut documents: Vec<(&str, &str)> = Vec::new();
        let mut place = |(id, _): &'a (String, usize)| {
            let text = texts.get(id)?;
            Some(*known.entry(id).or_insert_with(|| {
                documents.push((id, text));
                documents.len() - 1
            }))
        };
        let places =
            candidates.iter().map(|candidates| candidates.documents.iter().filter_map(&mut place).collect()).collect();
        Self { documents, places }
    }

    fn texts(&self) -> Vec<&'a str> {
        self.documents.iter().map(|(_, text)| *text).collect()
    }
}

/// A way to order the candidates of some queries, best first.
type Order = fn(&ColBert, &[Document], &Chosen<'_>, &Options) -> Result<Vec<Vec<RerankResult<String>>>>;

fn encode_queries(model: &ColBert, queries: &[Document], options: &Options) -> Result<Vec<TokenEmbeddings>> {
    let texts: Vec<&str> = queries.iter().map(|query| query.text.as_str()).collect();
    Ok(model.encode(&texts, Kind::Query, &options.query)?)
}

/// Encodes all documents and orders them on the host.
fn order(
    model: &ColBert,
    queries: &[Document],
    chosen: &Chosen<'_>,
    options: &Options,
) -> Result<Vec<Vec<RerankResult<String>>>> {
    let queries = encode_queries(model, queries, options)?;
    let encoded = model.encode(&chosen.texts(), Kind::Document, &options.document)?;
    let ids = |places: &Vec<usize>| places.iter().map(|&place| chosen.documents[place].0.to_owned()).collect();
    let ids: Vec<Vec<String>> = chosen.places.iter().map(ids).collect();
    let embeddings = |places: &Vec<usize>| places.iter().map(|&place| encoded[place].clone()).collect();
    let embeddings: Vec<Vec<TokenEmbeddings>> = chosen.places.iter().map(embeddings).collect();
    Ok(rerank(&ids, &queries, &embeddings)?)
}

/// Scores documents on the model's device as they are encoded, while the next ones are tokenized.
fn order_on_device(
    model: &ColBert,
    queries: &[Document],
    chosen: &Chosen<'_>,
    options: &Options,
) -> Result<Vec<Vec<RerankResult<String>>>> {
    let queries = Packed::from_embeddings(&encode_queries(model, queries, options)?)?;
    let mut rerank = DeviceRerank::new(&queries, chosen.places.clone(), &model.device())?;
    let (texts, options) = (chosen.texts(), &options.document);
    let (size, tokenizing) = (model.window(Kind::Document, options), model.tokenizing(Kind::Document, options));
    let windows = texts.chunks(size).enumerate();
    let windows = windows.map(|(at, texts)| Ok::<_, ModelError>((at * size, tokenizing.tokenize(texts)?)));
    ahead(windows, |windows| -> Result<()> {
        for window in windows {
            let (first, tokens) = window?;
            for batch in model.batches(&tokens, options)? {
                let numbers: Vec<usize> = batch.iter().map(|text| first + text).collect();
                rerank.add(&numbers, &model.embed(&tokens.select(&batch), options)?)?;
            }
        }
        Ok(())
    })?;
    let named = |result: RerankResult<usize>| RerankResult {
        id: chosen.documents[result.id].0.to_owned(),
        score: result.score,
    };
    Ok(rerank.finish()?.into_iter().map(|results| results.into_iter().map(named).collect()).collect())
}

#[cfg(test)]
#[cfg(feature = "flex")]
mod tests {
    use std::fs;

    use colburn::ops::device::by_name;

    use super::*;
    use crate::command_line::TextArguments;

    #[test]
    fn a_device_orders_as_the_host_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("texts.csv");
        let text = |at: usize| format!("d{at},{}\n", "late interaction of the king ".repeat(at % 5));
        fs::write(&path, format!("id,text\n{}", (0..12).map(text).collect::<String>())).unwrap();
        let ids: Vec<String> = (0..12).map(|at| format!("d{at}")).collect();
        let known = KnownTexts::read(&path, &TextArguments::default(), ids.iter().map(String::as_str)).unwrap();
        let candidates = |query: usize| Candidates {
            query: query.to_string(),
            line: 1,
            documents: (0..query * 4).map(|at| (ids[at * 5 % 12].clone(), 1)).collect(),
        };
        let candidates: Vec<Candidates> = (0..4).map(candidates).collect();
        let query = |query: usize| Document { id: query.to_string(), text: "interaction ".repeat(query) };
        let queries: Vec<Document> = (0..4).map(query).collect();

        let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/tiny-colbert");
        let model = ColBert::from_pretrained(model, &by_name(Some("flex")).unwrap()).unwrap();
        let options = EncodeOptions { batch_size: Some(2), ..Default::default() };
        let options = Options { query: options.clone(), document: options };
        let chosen = Chosen::of(&candidates, &known);
        assert_eq!((chosen.documents.len(), chosen.places[2].len()), (12, 8));
        let [host, device] =
            [order as Order, order_on_device].map(|order| order(&model, &queries, &chosen, &options).unwrap());
        for (host, device) in host.iter().zip(&device) {
            assert_eq!(host.len(), device.len());
            for (host, device) in host.iter().zip(device) {
                assert!((host.score - device.score).abs() < 1e-4, "{host:?} and {device:?}");
            }
        }
        // Texts that are equal have equal scores, and stay in the given order on either side.
        assert_eq!(host[3][0].id, device[3][0].id);
    }
}
