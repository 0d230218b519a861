//! The roles of columns: those that training gives them, or those of other files of retrieval, which are no rows to train on.

use std::collections::BTreeMap;

use colburn::data::{ColumnType, Columns, Dataset, List, Value};

use super::warnings::caught;

/// Names of a text with an id, apart from other columns of texts.
const TEXTS: [&str; 2] = ["text", "contents"];
const TITLE: &str = "title";
const IDS: [&str; 13] = [
    "_id",
    "id",
    "docid",
    "doc_id",
    "pid",
    "passage_id",
    "document_id",
    "corpus-id",
    "corpus_id",
    "qid",
    "query_id",
    "query-id",
    "doc-id",
];
const QUERY_IDS: [&str; 3] = ["query-id", "query_id", "qid"];
const DOCUMENT_IDS: [&str; 7] = ["corpus-id", "corpus_id", "document_id", "docid", "doc_id", "pid", "doc-id"];
/// Words in the names of columns of queries.
const QUERY_WORDS: [&str; 4] = ["query", "anchor", "question", "sentence"];
/// Rows that roles are looked for in, and the same number that show something new.
const SAMPLE: usize = 100;
/// The longest text, and the longest list, of such a row.
const SAMPLE_LENGTH: usize = 200;

/// The kind of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// A query, a positive, and perhaps negatives.
    Training,
    /// Ids and a teacher's scores, with texts elsewhere.
    Distillation,
    /// Texts of queries or documents.
    Texts,
    /// Ids of queries and documents, and how well they fit.
    Judgements,
    Unknown,
}

impl Rows {
    /// The kind, in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Training => "rows to train on",
            Self::Distillation => "rows to distil on",
            Self::Texts => "texts",
            Self::Judgements => "judgements",
            Self::Unknown => "of an unknown kind",
        }
    }
}

/// The roles of the columns of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles {
    pub rows: Rows,
    by_name: BTreeMap<String, &'static str>,
    /// The reason why there are no roles.
    pub problem: Option<String>,
    /// The warnings about the roles.
    pub warnings: Vec<String>,
    /// The column of queries to train on.
    pub query: Option<String>,
    /// The columns of documents to train on, the positive first.
    pub documents: Vec<String>,
    /// The column of texts that are no rows to train on.
    pub text: Option<String>,
    /// The column of titles, each of which stands before a text.
    pub title: Option<String>,
}

impl Roles {
    fn none(rows: Rows) -> Self {
        let by_name = BTreeMap::new();
        let (problem, warnings) = (None, Vec::new());
        Self { rows, by_name, problem, warnings, query: None, documents: vec![], text: None, title: None }
    }

    /// The role of a column, in one or two words.
    pub fn of(&self, column: &str) -> &'static str {
        let without = if self.rows == Rows::Unknown { "-" } else { "ignored" };
        self.by_name.get(column).copied().unwrap_or(without)
    }

    fn set(&mut self, column: &str, role: &'static str) {
        self.by_name.insert(column.to_owned(), role);
    }
}

/// Some rows, with shortened values, to find roles in.
#[derive(Default)]
pub struct Sample {
    rows: Vec<Vec<(String, Value<'static>)>>,
}

impl Sample {
    /// True if a row is to be added: one of the first, or one that shows a new column or type.
    pub fn wants(&self, is_new: bool) -> bool {
        self.rows.len() < SAMPLE || (is_new && self.rows.len() < 2 * SAMPLE)
    }

    /// Adds a row.
    pub fn add<'a>(&mut self, row: impl Iterator<Item = (&'a str, Value<'a>)>) {
        self.rows.push(row.map(|(name, value)| (name.to_owned(), short(&value))).collect());
    }

    /// The roles of these columns.
    pub fn roles(&self, columns: &[(&str, &ColumnType)]) -> Roles {
        let has = |name: &str| columns.iter().any(|(column, _)| *column == name);
        let is_id = |name: &str| IDS.contains(&name);
        let texts = columns.iter().filter(|(name, of)| of.has_texts() && !is_id(name) && *name != TITLE);
        let texts: Vec<&str> = texts.map(|(name, _)| *name).collect();
        if has("query_id") && has("document_ids") && has("scores") {
            let mut roles = Roles::none(Rows::Distillation);
            for (column, role) in [("query_id", "query id"), ("document_ids", "document ids"), ("scores", "scores")] {
                roles.set(column, role);
            }
            return roles;
        }
        let first = |names: &[&'static str]| names.iter().copied().find(|name| has(name));
        if let (Some(query), Some(document), Some(score)) =
            (first(&QUERY_IDS), first(&DOCUMENT_IDS), first(&["score", "label", "relevance"]))
        {
            let mut roles = Roles::none(Rows::Judgements);
            for (column, role) in [(query, "query id"), (document, "document id"), (score, "score")] {
                roles.set(column, role);
            }
            return roles;
        }
        let has_query = texts.iter().any(|name| QUERY_WORDS.iter().any(|word| name.contains(word)));
        let text = match &texts[..] {
            [only] => Some(*only),
            several if !has_query && columns.iter().any(|(name, _)| is_id(name)) => {
                several.iter().copied().find(|name| TEXTS.contains(name))
            }
            _ => None,
        };
        let Some(text) = text else { return self.training(columns) };
        let mut roles = Roles::none(Rows::Texts);
        roles.set(text, "text");
        roles.text = Some(text.to_owned());
        if has(TITLE) {
            roles.set(TITLE, "title");
            roles.title = Some(TITLE.to_owned());
        }
        if let Some(id) = first(&IDS) {
            roles.set(id, "id");
        }
        roles
    }

    fn training(&self, columns: &[(&str, &ColumnType)]) -> Roles {
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let value = |row: &[(String, Value<'static>)], name: &str| {
            row.iter().find(|(column, _)| column == name).map_or(Value::Null, |(_, value)| value.clone())
        };
        let rows = self.rows.iter().map(|row| names.iter().map(|name| value(row, name)).collect());
        let found = Dataset::from_values(&names, rows).and_then(|data| {
            let (columns, warnings) = caught(|| Columns::of(&data));
            let columns = columns?;
            let name = |column: usize| data.columns()[column].to_owned();
            let mut roles = Roles::none(Rows::Training);
            roles.warnings = warnings.iter().map(|warning| without_place(warning)).collect();
            roles.query = Some(name(columns.query()));
            roles.documents = columns.documents().iter().map(|&column| name(column)).collect();
            roles.set(&name(columns.query()), "query");
            for (at, column) in roles.documents.clone().iter().enumerate() {
                roles.set(column, if at == 0 { "positive" } else { "negative" });
            }
            if let Some(label) = columns.label() {
                roles.set(&name(label), "label");
            }
            Ok(roles)
        });
        found.unwrap_or_else(|error| Roles {
            problem: Some(without_place(&error.to_string())),
            ..Roles::none(Rows::Unknown)
        })
    }
}

/// A message without the name of the sample.
fn without_place(message: &str) -> String {
    message.strip_prefix("rows in memory: ").unwrap_or(message).to_owned()
}

/// The start of a value.
fn short(value: &Value) -> Value<'static> {
    let start = |text: &str| text.chars().take(SAMPLE_LENGTH).collect::<String>();
    match value {
        Value::Text(text) => Value::Text(start(text).into()),
        Value::Integer(integer) => Value::Integer(*integer),
        Value::Float(float) => Value::Float(*float),
        Value::List(List::Texts(texts)) => {
            Value::List(List::Texts(texts.iter().take(SAMPLE_LENGTH).map(|text| start(text).into()).collect()))
        }
        Value::List(List::Integers(integers)) => {
            Value::List(List::Integers(integers.iter().take(SAMPLE_LENGTH).copied().collect()))
        }
        Value::List(List::Floats(floats)) => {
            Value::List(List::Floats(floats.iter().take(SAMPLE_LENGTH).copied().collect()))
        }
        Value::Null | Value::Other(_) => Value::Null,
    }
}
