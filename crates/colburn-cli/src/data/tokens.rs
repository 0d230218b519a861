//! The tokens that a model makes of texts, and how many of them fit into its lengths.

use std::path::Path;

use colburn::data::{List, Record, Value};
use colburn::model::{Kind, TextTokenizer, TokenCounter};
use serde::Serialize;

use super::lengths::Lengths;
use super::roles::Roles;
use crate::Result;

/// Texts that are counted at one time, and their bytes.
const TEXTS: usize = 1024;
const BYTES: usize = 1 << 22;

/// Counts the tokens of the columns of texts that have a role.
pub struct Tokens {
    counter: TokenCounter,
    limits: [usize; 2],
}

/// The tokens of a column of texts.
pub struct ColumnTokens {
    column: String,
    title: Option<String>,
    kind: Kind,
    /// The number of tokens that texts are cut to.
    limit: usize,
    counts: Lengths,
    all: u64,
    unknown: u64,
    waiting: Vec<String>,
    bytes: usize,
}

/// The tokens of a column of texts, as they are reported.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TokenReport {
    pub column: String,
    /// The column of titles, each of which stands before a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    pub kind: Kind,
    pub texts: u64,
    pub p50: usize,
    pub p95: usize,
    pub p99: usize,
    pub max: usize,
    /// `query_length` or `document_length` of the model.
    pub limit: usize,
    /// Texts that are cut to that.
    pub cut: u64,
    pub tokens: u64,
    pub unknown: u64,
}

impl Tokens {
    /// The tokenizer of a model.
    pub fn of(model: &Path) -> Result<Self> {
        let tokenizer = TextTokenizer::from_pretrained(model)?;
        let config = tokenizer.config();
        Ok(Self { limits: [config.query_length, config.document_length], counter: tokenizer.counter()? })
    }

    /// The columns whose tokens are counted. A text that may be a query or a document is counted as both.
    pub fn columns(&self, roles: &Roles) -> Vec<ColumnTokens> {
        let both = |column: &String| [(column.clone(), Kind::Query), (column.clone(), Kind::Document)];
        let columns = roles.query.iter().map(|column| (column.clone(), Kind::Query));
        let columns = columns.chain(roles.documents.iter().map(|column| (column.clone(), Kind::Document)));
        let columns = columns.chain(roles.text.iter().flat_map(both));
        columns.map(|(column, kind)| self.column(column, kind, roles)).collect()
    }

    fn column(&self, column: String, kind: Kind, roles: &Roles) -> ColumnTokens {
        let [query, document] = self.limits;
        ColumnTokens {
            title: roles.title.clone().filter(|_| kind == Kind::Document && roles.text.as_ref() == Some(&column)),
            column,
            kind,
            limit: if kind == Kind::Query { query } else { document },
            counts: Lengths::default(),
            all: 0,
            unknown: 0,
            waiting: Vec::new(),
            bytes: 0,
        }
    }

    /// Adds a row to all columns.
    pub fn add(&self, columns: &mut [ColumnTokens], record: &Record) -> Result<()> {
        for column in columns {
            match record.value(&column.column) {
                Value::Text(text) => {
                    let title = column.title.as_ref().map(|title| record.value(title));
                    column.push(match title {
                        Some(Value::Text(title)) => format!("{title} {text}"),
                        _ => text.into_owned(),
                    });
                }
                Value::List(List::Texts(texts)) => texts.into_iter().for_each(|text| column.push(text.into_owned())),
                _ => {}
            }
            if column.waiting.len() >= TEXTS || column.bytes >= BYTES {
                self.count(column)?;
            }
        }
        Ok(())
    }

    /// The tokens of all rows.
    pub fn finish(&self, columns: Vec<ColumnTokens>) -> Result<Vec<TokenReport>> {
        let finish = |mut column: ColumnTokens| {
            self.count(&mut column)?;
            Ok(column.report())
        };
        columns.into_iter().map(finish).collect()
    }

    fn count(&self, column: &mut ColumnTokens) -> Result<()> {
        for count in self.counter.count(&column.waiting, column.kind)? {
            column.counts.add(count.tokens);
            column.all += count.tokens as u64;
            column.unknown += count.unknown as u64;
        }
        column.waiting.clear();
        column.bytes = 0;
        Ok(())
    }
}

impl ColumnTokens {
    fn push(&mut self, text: String) {
        self.bytes += text.len();
        self.waiting.push(text);
    }

    fn report(self) -> TokenReport {
        let [p50, p95, p99, max] = [50, 95, 99, 100].map(|percent| self.counts.percentile(percent));
        TokenReport {
            texts: self.counts.total(),
            cut: self.counts.beyond(self.limit),
            tokens: self.all,
            unknown: self.unknown,
            limit: self.limit,
            column: self.column,
            title: self.title,
            kind: self.kind,
            p50,
            p95,
            p99,
            max,
        }
    }
}
