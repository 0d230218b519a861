//! Retrieval collections: queries, a corpus, and which documents are relevant for which query.
//!
//! They come in NanoBEIR's layout ([`Collection::from_nano_dir`], [`Collection::from_nano_name`]), in BEIR's
//! ([`Collection::from_beir_dir`]), as files given one by one ([`Collection::from_files`]) and from memory
//! ([`Collection::from_parts`]). All end in one place, [`assemble`], so that all are checked alike.

mod beir;
mod ids;
mod judgements;
mod lines;
pub(crate) mod names;
mod nano;
mod nested;
mod parts;
mod resolve;
mod table;

use std::{borrow::Cow, collections::BTreeMap, fmt};

use colburn_data::Dataset;

use self::{
    ids::IdIndex,
    judgements::{Judgement, Relevance},
    table::TextTable,
};
use crate::error::{Error, Result};

/// Queries (id, text), a corpus (id, text), and the grades of the documents that are relevant for each query.
///
/// Ids are texts; an integer id is the text of its digits, and so is a float that is a whole number (pandas makes floats of integers). Only queries with a relevant document are kept, as in sentence-transformers'
/// `InformationRetrievalEvaluator`; a document graded 0 or less was judged and found not to be relevant. Texts stay on disk: memory holds
/// a few bytes a document, and the judgements.
///
/// ```
/// use colburn_eval::Collection;
///
/// let collection = Collection::from_parts(
///     "letters",
///     [("q1", "first letter"), ("q2", "last letter"), ("q3", "nobody judged this one")],
///     [("a", "the letter a"), ("m", "the letter m"), ("z", "the letter z")],
///     [("q1", "a", 1.0), ("q2", "z", 2.0), ("q2", "m", 0.0)],
/// )?;
/// assert_eq!((collection.queries(), collection.documents()), (2, 3));
/// assert_eq!((collection.query_id(1)?, collection.query(1)?), ("q2".into(), "last letter".into()));
/// assert_eq!((collection.grade(1, 2), collection.grade(1, 1)), (2.0, 0.0));
/// # Ok::<(), colburn_eval::Error>(())
/// ```
#[derive(Clone)]
pub struct Collection {
    name: String,
    queries: TextTable,
    corpus: TextTable,
    /// One for each query.
    relevance: Vec<Relevance>,
}

impl Collection {
    /// A collection from memory: queries and documents as (id, text), judgements as (query id, document id, grade).
    ///
    /// # Errors
    /// When there is no query, document or relevant document, an id comes twice, or a judgement names an unknown id.
    pub fn from_parts<Q: Into<String>, D: Into<String>, J: Into<String>>(
        name: &str,
        queries: impl IntoIterator<Item = (Q, Q)>,
        corpus: impl IntoIterator<Item = (D, D)>,
        relevance: impl IntoIterator<Item = (J, J, f64)>,
    ) -> Result<Self> {
        let queries = in_memory("queries", queries)?;
        let corpus = in_memory("corpus", corpus)?;
        let judgement = |(row, (query, document, grade)): (usize, (J, J, f64))| {
            let place = format!("judgement {row} in memory (counted from 0)");
            Ok(Judgement { place, query: query.into(), document: document.into(), grade })
        };
        let judgements = relevance.into_iter().enumerate().map(judgement);
        assemble(name.to_owned(), queries, corpus, judgements, EmptyTexts::Kept)
    }

    /// Its name: `NanoSciFact`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of queries.
    pub fn queries(&self) -> usize {
        self.queries.len()
    }

    /// Number of documents.
    pub fn documents(&self) -> usize {
        self.corpus.len()
    }

    /// The id of a query, which is counted from 0.
    ///
    /// # Errors
    /// When there is no such query; so do [`Collection::query`], and for documents [`Collection::document_id`] and
    /// [`Collection::document`].
    pub fn query_id(&self, query: usize) -> Result<Cow<'_, str>> {
        self.queries.id(query)
    }

    /// The text of a query.
    ///
    /// # Errors
    /// As [`Collection::query_id`].
    pub fn query(&self, query: usize) -> Result<Cow<'_, str>> {
        self.queries.text(query)
    }

    /// The id of a document, which is counted from 0.
    ///
    /// # Errors
    /// As [`Collection::query_id`].
    pub fn document_id(&self, document: usize) -> Result<Cow<'_, str>> {
        self.corpus.id(document)
    }

    /// The text of a document, with its title before it where the layout has titles.
    ///
    /// # Errors
    /// As [`Collection::query_id`].
    pub fn document(&self, document: usize) -> Result<Cow<'_, str>> {
        self.corpus.text(document)
    }

    /// The relevance of a document for a query: 0 when it was not judged, or judged not to be relevant.
    ///
    /// # Panics
    /// When there is no such query, as indexing does; so does [`Collection::judged`].
    pub fn grade(&self, query: usize, document: usize) -> f64 {
        self.relevance[query].grade(document)
    }

    /// The grades, all above 0, of the documents that are relevant for a query. There may be more of them than are in the corpus: a
    /// relevant document that was left out because its text is empty still counts, as in PyLate.
    pub fn judged(&self, query: usize) -> &[f64] {
        self.relevance[query].grades()
    }

    /// One line for reports and messages: the name, and how much there is of everything.
    pub fn description(&self) -> String {
        let name = if self.name.is_empty() { "collection" } else { &self.name };
        let judged: usize = self.relevance.iter().map(|relevance| relevance.grades().len()).sum();
        format!("{name}: {} queries, {} documents, {judged} relevant", self.queries(), self.documents())
    }
}

impl fmt::Debug for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Collection").field(&self.description()).finish()
    }
}

/// The treatment of queries and documents with an empty text.
#[derive(Clone, Copy, PartialEq)]
enum EmptyTexts {
    /// They are encoded as any other.
    Kept,
    /// They are left out; what was judged stays judged (PyLate's NanoBEIREvaluator).
    Dropped,
}

/// Joins the parts and checks that they fit together.
///
/// # Errors
/// When an id comes twice, a judgement names an unknown id or a grade that is no number, two judgements of one pair disagree, or there is
/// nothing left to search for or to search in.
fn assemble(
    name: String,
    queries: TextTable,
    corpus: TextTable,
    judgements: impl IntoIterator<Item = Result<Judgement>>,
    empty: EmptyTexts,
) -> Result<Collection> {
    let (query_ids, document_ids) = (IdIndex::new(&queries)?, IdIndex::new(&corpus)?);
    let mut judged = vec![BTreeMap::new(); queries.len()];
    let mut first = None;
    for judgement in judgements {
        let judgement = judgement?;
        let (query, document) = judgement.rows((&queries, &query_ids), (&corpus, &document_ids))?;
        judgement.add_to(&mut judged[query], document)?;
        first.get_or_insert(judgement.place);
    }
    let kept = |table: &TextTable, row: usize| Ok(empty == EmptyTexts::Kept || !table.text(row)?.is_empty());
    let (corpus_place, queries_place) = (corpus.files(), queries.files());
    let (corpus, positions) = corpus.keep(kept)?;
    if corpus.is_empty() {
        let message = "every text is empty; documents with a text are expected".to_owned();
        return Err(Error::Collection { place: corpus_place, message });
    }
    let relevant = |row: usize| judged[row].values().any(|grade| *grade > 0.0);
    let (queries, rows) = queries.keep(|table, row| Ok(relevant(row) && kept(table, row)?))?;
    let relevance = judged.into_iter().zip(rows).filter(|(_, row)| row.is_some());
    let relevance: Vec<_> = relevance.map(|(judged, _)| Relevance::new(judged, &positions)).collect();
    if queries.is_empty() {
        let judgements = first.map_or_else(String::new, |place| format!(" (the first judgement is {place})"));
        let message =
            format!("no query has a relevant document{judgements}; one with a text and a grade above 0 is expected");
        return Err(Error::Collection { place: queries_place, message });
    }
    Ok(Collection { name, queries, corpus, relevance })
}

fn in_memory<T: Into<String>>(what: &str, rows: impl IntoIterator<Item = (T, T)>) -> Result<TextTable> {
    let mut rows = rows.into_iter().map(|(id, text)| vec![id.into(), text.into()]).peekable();
    if rows.peek().is_none() {
        let message = "no rows; at least one (id, text) is expected".to_owned();
        return Err(Error::Collection { place: format!("{what} in memory"), message });
    }
    TextTable::new(Dataset::from_rows(&["_id", "text"], rows)?, table::PLAIN)
}

#[cfg(test)]
mod tests;
