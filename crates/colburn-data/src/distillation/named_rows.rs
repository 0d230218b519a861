//! The columns of rows that name a query and its documents by ids, and hold a teacher's scores where there is a teacher.

use super::lookup::TableRole;
use crate::dataset::Dataset;
use crate::distillation::ids::Id;
use crate::error::{Error, Result};
use crate::table::lists::List;
use crate::table::numbers::whole;
use crate::table::value::Value;
use crate::table::{ColumnKind, ListItems};

const QUERY_IDS: [&str; 2] = ["query_id", "qid"];
const POSITIVE_IDS: [&str; 3] = ["positive_id", "pos_id", "pid"];
const NEGATIVE_IDS: [&str; 6] = ["negative_id", "negative_ids", "neg_id", "neg_ids", "nid", "hard_negative_id"];
/// Names that a number follows.
const DOCUMENT_IDS: [&str; 3] = ["document_id", "doc_id", "passage_id"];
const SCORE: &str = "score";
const EXPECTED: &str = "query_id (integer or text), document_ids (list of integers or texts) and scores (list of numbers), where a list may be a text such as \"[1, 2]\" and scores may be columns score_1, score_2, …; or, without scores, query_id, positive_id and negative_id";

/// The columns of the rows.
#[derive(Clone)]
pub(super) struct NamedRows {
    query_id: usize,
    documents: Documents,
    scores: Scores,
}

/// The columns of the ids of documents.
#[derive(Clone)]
enum Documents {
    List(usize),
    /// A column for each, or for a list of them: the positive first.
    Columns(Vec<usize>),
}

#[derive(Clone)]
enum Scores {
    List(usize),
    Columns(Vec<usize>),
    None,
}

impl NamedRows {
    /// The columns by their names.
    ///
    /// # Errors
    /// When one is missing, or holds other values.
    pub(super) fn find(data: &Dataset) -> Result<Self> {
        let table = TableRole { name: "train rows", data, expected: EXPECTED };
        let names: Vec<String> = data.columns().into_iter().map(plain).collect();
        let named = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
        let query = named(&QUERY_IDS).map_or(QUERY_IDS[0], |at| data.columns()[at]);
        let query_id = table.column(query, TableRole::is_id)?;
        let documents = match (named(&["document_ids"]), named(&POSITIVE_IDS)) {
            (None, Some(positive)) => {
                let negatives = names.iter().enumerate().filter(|(_, name)| NEGATIVE_IDS.contains(&stem(name).0));
                Documents::Columns(std::iter::once(positive).chain(numbered(negatives)).collect())
            }
            (None, None) => {
                let is_numbered = |name: &str| matches!(stem(name), (stem, Some(_)) if DOCUMENT_IDS.contains(&stem));
                let columns = numbered(names.iter().enumerate().filter(|(_, name)| is_numbered(name)));
                if columns.len() < 2 {
                    table.column("document_ids", |_| false)?;
                }
                Documents::Columns(columns)
            }
            (Some(_), _) => {
                let fits = |kind: &ColumnKind| matches!(kind, ColumnKind::List(_) | ColumnKind::Text);
                Documents::List(table.column("document_ids", fits)?)
            }
        };
        let columns = numbered(names.iter().enumerate().filter(|(_, name)| matches!(stem(name), (SCORE, Some(_)))));
        let is_list = |kind: &ColumnKind| {
            matches!(kind, ColumnKind::List(ListItems::Numbers | ListItems::Unknown) | ColumnKind::Text)
        };
        let scores = match (&documents, named(&["scores"])) {
            (_, None) if !columns.is_empty() => Scores::Columns(columns),
            (Documents::Columns(_), None) => Scores::None,
            (Documents::List(_), None) | (_, Some(_)) => Scores::List(table.column("scores", is_list)?),
        };
        Ok(Self { query_id, documents, scores })
    }

    /// True if a teacher scored the documents.
    pub(super) fn has_scores(&self) -> bool {
        !matches!(self.scores, Scores::None)
    }

    /// The id of the row's query.
    pub(super) fn query<'a>(&self, data: &'a Dataset, row: usize) -> Result<Id<'a>> {
        Id::of(data, row, self.query_id)
    }

    /// The ids of all documents of a row.
    pub(super) fn ids<'a>(&self, data: &'a Dataset, row: usize) -> Result<Vec<Id<'a>>> {
        let mut ids = Vec::new();
        match &self.documents {
            Documents::List(column) => self.add_list(data, row, data.list(row, *column)?, &mut ids)?,
            Documents::Columns(columns) => {
                for &column in columns {
                    match data.value(row, column)? {
                        Value::List(list) => self.add_list(data, row, list, &mut ids)?,
                        Value::Text(text) if text.trim_start().starts_with('[') => {
                            self.add_list(data, row, data.list(row, column)?, &mut ids)?;
                        }
                        _ => ids.push(Id::of(data, row, column)?),
                    }
                }
            }
        }
        Ok(ids)
    }

    fn add_list<'a>(&self, data: &Dataset, row: usize, list: List<'a>, ids: &mut Vec<Id<'a>>) -> Result<()> {
        match list {
            List::Integers(list) => ids.extend(list.into_iter().map(Id::Integer)),
            List::Texts(list) => ids.extend(list.into_iter().map(Id::text)),
            List::Floats(list) => {
                for id in list {
                    let Some(id) = whole(id) else {
                        let problem = format!("document_ids holds {id}; expected integers or texts");
                        return Err(self.problem(data, row, problem));
                    };
                    ids.push(Id::Integer(id));
                }
            }
        }
        Ok(())
    }

    /// The scores of the first `ways` of a row's documents; none without a teacher.
    ///
    /// # Errors
    /// When there is not a finite score for each of `documents`.
    pub(super) fn scores(&self, data: &Dataset, row: usize, documents: usize, ways: usize) -> Result<Vec<f32>> {
        let scores = match &self.scores {
            Scores::None => return Ok(Vec::new()),
            Scores::List(column) => data.list(row, *column)?.into_floats(),
            Scores::Columns(columns) => {
                Some(columns.iter().map(|&column| data.number(row, column)).collect::<Result<_>>()?)
            }
        };
        let scores =
            scores.ok_or_else(|| self.problem(data, row, "scores holds texts; expected numbers".to_owned()))?;
        if scores.len() != documents {
            let found = scores.len();
            let problem = format!("{documents} document_ids but {found} scores; expected a score for each document");
            return Err(self.problem(data, row, problem));
        }
        let scores = &scores[..scores.len().min(ways)];
        if let Some(at) = scores.iter().position(|score| !(*score as f32).is_finite()) {
            let problem =
                format!("score {at} (counted from 0) is {:e}; expected a finite number of 32 bits", scores[at]);
            return Err(self.problem(data, row, problem));
        }
        Ok(scores.iter().map(|&score| score as f32).collect())
    }

    /// An error about a row, with the id of its query.
    pub(super) fn problem(&self, data: &Dataset, row: usize, problem: String) -> Error {
        let id = self.query(data, row).map_or_else(|error| error.to_string(), |id| id.to_string());
        Error::Example { place: data.place(row), problem: format!("query_id {id}: {problem}") }
    }
}

/// A name in small letters, with `_` between its words.
fn plain(name: &str) -> String {
    name.to_lowercase().replace(['-', ' '], "_")
}

/// A name without the number at its end, and that number.
fn stem(name: &str) -> (&str, Option<u64>) {
    match name.rsplit_once('_') {
        Some((stem, number)) => number.parse().map_or((name, None), |number| (stem, Some(number))),
        None => (name, None),
    }
}

/// Columns in the order of the numbers in their names.
fn numbered<'a>(columns: impl Iterator<Item = (usize, &'a String)>) -> Vec<usize> {
    let mut columns: Vec<(Option<u64>, usize)> = columns.map(|(at, name)| (stem(name).1, at)).collect();
    columns.sort_unstable();
    columns.into_iter().map(|(_, at)| at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distillation::KdProcessing;

    fn table(columns: &[&str], rows: &[&[&str]]) -> Dataset {
        Dataset::from_rows(columns, rows.iter().map(|row| row.iter().map(|text| (*text).to_owned()).collect())).unwrap()
    }

    fn joined(train: Dataset) -> Result<KdProcessing> {
        let queries = table(&["id", "text"], &[&["1", "first"], &["2", "second"]]);
        let collection = table(&["id", "text"], &[&["10", "ten"], &["20", "twenty"], &["30", "thirty"]]);
        KdProcessing::new(train, queries, collection)
    }

    #[test]
    fn triples_of_ids_have_texts_and_no_scores() {
        for (columns, row, expected) in [
            (&["query_id", "positive_id", "negative_id"][..], &["2", "30", "10"][..], &["thirty", "ten"][..]),
            (&["qid", "pid", "nid"], &["2", "30", "10"], &["thirty", "ten"]),
            (
                &["negative_id_2", "Query-ID", "negative_id_1", "pos_id"],
                &["20", "2", "10", "30"],
                &["thirty", "ten", "twenty"],
            ),
            (&["query_id", "positive_id", "negative_ids"], &["2", "30", "[10, 20]"], &["thirty", "ten", "twenty"]),
            (&["query_id", "positive_id"], &["2", "30"], &["thirty"]),
        ] {
            let data = joined(table(columns, &[row])).unwrap();
            assert_eq!((data.query(0).unwrap(), &data.documents(0).unwrap()[..]), ("second", expected), "{columns:?}");
            assert_eq!((data.has_scores(), data.scores(0).unwrap(), data.check().unwrap()), (false, vec![], 0));
        }
    }

    /// MS MARCO: qidpidtriples.train.full.2.tsv, collection.tsv and queries.train.tsv, none of which has a header.
    #[test]
    fn triples_of_ms_marco_are_read_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let queries = write("queries.train.tsv", "121352\tdefine extreme\n634306\twhat does chattel mean\n");
        let collection =
            write("collection.tsv", "0\tThe presence of \"communication\n1\tThe Manhattan Project\n2\tEssay on it\n");
        for triples in [
            write("qidpidtriples.train.full.2.tsv", "121352\t1\t0\n634306\t2\t1\n"),
            write("triples.train.small.json", "[121352, 1, 0]\n[634306, 2, 1]\n"),
            write(
                "triples.jsonl",
                "{\"qid\": 121352, \"pid\": 1, \"nid\": 0}\n{\"qid\": 634306, \"pid\": 2, \"nid\": 1}\n",
            ),
        ] {
            let data = KdProcessing::load(&triples, &queries, &collection).unwrap();
            let name = triples.display();
            assert_eq!((data.len(), data.ways(), data.check().unwrap()), (2, 2, 0), "{name}");
            assert_eq!(data.query(1).unwrap(), "what does chattel mean");
            assert_eq!(data.documents(1).unwrap(), ["Essay on it", "The Manhattan Project"]);
            assert_eq!(data.documents(0).unwrap()[1], "The presence of \"communication");
        }
    }

    #[test]
    fn scores_may_be_columns() {
        let columns = ["query_id", "score_10", "score_2", "document_id_10", "document_id_2", "score"];
        let data = joined(table(&columns, &[&["1", "0.5", "2", "10", "20", "9"]])).unwrap();
        assert_eq!((data.documents(0).unwrap(), data.scores(0).unwrap()), (vec!["twenty", "ten"], vec![2.0, 0.5]));
        let listed =
            joined(table(&["query_id", "document_ids", "score_1", "score_2"], &[&["1", "[10, 20]", "1", "3"]]));
        assert_eq!(listed.unwrap().scores(0).unwrap(), [1.0, 3.0]);
        let three = joined(table(&["query_id", "document_ids", "score_1"], &[&["1", "[10, 20]", "1"]])).unwrap();
        let message = three.check().unwrap_err().to_string();
        assert!(
            message.ends_with("query_id 1: 2 document_ids but 1 scores; expected a score for each document"),
            "{message}"
        );
        let scored = joined(table(&["qid", "pid", "nid", "scores"], &[&["1", "10", "20", "[1, 0]"]])).unwrap();
        assert_eq!((scored.has_scores(), scored.scores(0).unwrap()), (true, vec![1.0, 0.0]));
    }

    #[test]
    fn rows_of_other_columns_are_refused() {
        for (columns, expected) in [
            (
                &["query_id", "document_id_1"][..],
                "no column \"document_ids\"; found: query_id (text), document_id_1 (text)",
            ),
            (&["query_id", "document_ids"], "no column \"scores\""),
            (&["positive_id", "negative_id"], "no column \"query_id\""),
        ] {
            let row: Vec<&str> = columns.iter().map(|_| "1").collect();
            let message = joined(table(columns, &[&row])).unwrap_err().to_string();
            assert!(
                message.contains(expected) && message.contains("without scores, query_id, positive_id"),
                "{message}"
            );
        }
        let unlike = joined(table(&["qid", "pid", "negative_ids"], &[&["1", "10", "[20]"], &["2", "10", "[20, 30]"]]));
        let message = unlike.unwrap().check().unwrap_err().to_string();
        assert!(message.contains("query_id 2: 3 document_ids, but the first row has 2; expected as many"), "{message}");
    }
}
