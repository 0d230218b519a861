//! The search for the roles of columns: those that are given go first, then names, then the order.

use crate::dataset::Dataset;
use crate::error::{Error, Result, quoted};
use crate::roles::mapping::Roles;
use crate::roles::names::{DISTILLATION, LABELS, NamedRole};
use crate::table::lists::List;
use crate::table::{ColumnKind, ListItems};

/// Rows that are looked at to see the values of a column of texts.
const LOOKED_AT: usize = 100;

/// The teacher's scores of the documents of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scores {
    None,
    /// A column of lists.
    List(usize),
    /// A column for each document.
    Columns(Vec<usize>),
}

/// The columns of the documents.
pub(super) struct Documents {
    pub(super) positives: Vec<usize>,
    pub(super) listed: Vec<usize>,
    pub(super) negatives: Vec<usize>,
    pub(super) by_order: bool,
}

/// The columns of a data set, in search of roles.
pub(super) struct Finder<'a> {
    data: &'a Dataset,
    roles: Roles,
    /// The role that the name of each column says.
    named: Vec<NamedRole>,
    /// The columns of texts that have no role by the mapping, in their order.
    free: Vec<usize>,
}

impl<'a> Finder<'a> {
    pub(super) fn new(data: &'a Dataset) -> Self {
        let roles = data.roles().cloned().unwrap_or_default();
        let columns = data.table().columns();
        let named: Vec<NamedRole> = columns.iter().map(|column| NamedRole::of(&column.name)).collect();
        let is_free = |&column: &usize| {
            let of = &columns[column];
            let is_text = matches!(of.kind, ColumnKind::Text | ColumnKind::Mixed | ColumnKind::List(ListItems::Texts));
            is_text && named[column].may_be_text() && !roles.has(&of.name)
        };
        let free = (0..columns.len()).filter(is_free).collect();
        Self { data, roles, named, free }
    }

    pub(super) fn name(&self, column: usize) -> &'a str {
        &self.data.table().columns()[column].name
    }

    pub(super) fn is_list(&self, column: usize) -> bool {
        matches!(self.data.table().columns()[column].kind, ColumnKind::List(_))
    }

    /// True if the first text of the column is a list of texts, as pandas writes it to CSV.
    pub(super) fn is_literal(&self, column: usize) -> bool {
        let texts = self.texts(column);
        let first = texts.into_iter().next();
        first.is_some_and(|(row, text)| {
            text.trim_start().starts_with('[') && matches!(self.data.list(row, column), Ok(List::Texts(_)))
        })
    }

    /// True if the first texts of the column are all numbers: a column of a file without types.
    fn spells_numbers(&self, column: usize) -> bool {
        let texts = self.texts(column);
        !texts.is_empty() && texts.iter().all(|(_, text)| text.trim().parse::<f64>().is_ok_and(f64::is_finite))
    }

    /// The texts of a column in the first rows.
    fn texts(&self, column: usize) -> Vec<(usize, &'a str)> {
        let rows = 0..self.data.len().min(LOOKED_AT);
        let text = |row: usize| Some((row, self.data.text(row, column).ok()?));
        rows.filter_map(text).filter(|(_, text)| !text.trim().is_empty()).collect()
    }

    pub(super) fn problem(&self, problem: String) -> Error {
        Error::Roles { data: self.data.origin(), problem, found: self.data.table().column_list() }
    }

    /// The columns of these names.
    fn mapped(&self, names: &[String]) -> Vec<usize> {
        let columns = self.data.columns();
        names.iter().filter_map(|name| columns.iter().position(|column| column == name)).collect()
    }

    /// The free columns that fit.
    fn free(&self, fits: impl Fn(NamedRole) -> bool) -> Vec<usize> {
        self.free.iter().copied().filter(|&column| fits(self.named[column])).collect()
    }

    /// True if the mapping gives the documents, in their order.
    pub(super) fn has_documents(&self) -> bool {
        let Roles { positive, negatives, documents, .. } = &self.roles;
        !(positive.is_empty() && negatives.is_empty() && documents.is_empty())
    }

    /// The query column, and true if the order says so.
    pub(super) fn query(&self) -> Result<(usize, bool)> {
        if let Some(&query) = self.mapped(self.roles.query.as_slice()).first() {
            return Ok((query, false));
        }
        if self.free.is_empty() {
            let names = self.data.columns();
            return Err(self.problem(match DISTILLATION.iter().all(|known| names.contains(known)) {
                true => {
                    "no text column; to distil, give the tables of queries and documents with these rows".to_owned()
                }
                false => "no text column".to_owned(),
            }));
        }
        for rank in 0..3 {
            let found = self.free(|role| role == NamedRole::Query(rank));
            match found[..] {
                [] => {}
                [query] => return Ok((query, false)),
                _ => {
                    let names = quoted(found.iter().map(|&column| self.name(column)));
                    return Err(self.problem(format!("several query columns ({names})")));
                }
            }
            let columns = self.data.table().columns();
            let is_number = |&column: &usize| {
                self.named[column] == NamedRole::Query(rank) && columns[column].kind == ColumnKind::Number
            };
            if let Some(query) = (0..columns.len()).find(is_number).filter(|_| rank < 2) {
                return Err(self.problem(format!("the query \"{}\" holds numbers; expected texts", self.name(query))));
            }
        }
        if let [query, _, ..] = self.sentences()[..] {
            return Ok((query, false));
        }
        let first = self.free.iter().copied().find(|&column| !self.spells_numbers(column)).unwrap_or(self.free[0]);
        match self.named[first] {
            NamedRole::Positive { rank: 0 | 1, .. } | NamedRole::Negative => {
                Err(self.problem("no query column".to_owned()))
            }
            _ => Ok((first, true)),
        }
    }

    /// The columns `sentence_0`, `sentence_1`, … by their numbers.
    fn sentences(&self) -> Vec<usize> {
        let number = |&column: &usize| match self.named[column] {
            NamedRole::Sentence(number) => Some((number, column)),
            _ => None,
        };
        let mut sentences: Vec<(u64, usize)> = self.free.iter().filter_map(number).collect();
        sentences.sort_unstable();
        sentences.into_iter().map(|(_, column)| column).collect()
    }

    pub(super) fn documents(&self, query: usize) -> Result<Documents> {
        let Roles { positive, negatives, documents, .. } = &self.roles;
        let negatives = match &negatives[..] {
            [] => self.free(|role| role == NamedRole::Negative),
            names => self.mapped(names),
        };
        let negatives: Vec<usize> = negatives.into_iter().filter(|&column| column != query).collect();
        let named =
            |positives, listed| Ok(Documents { positives, listed, negatives: negatives.clone(), by_order: false });
        if !positive.is_empty() || !documents.is_empty() {
            return named(self.mapped(positive), self.mapped(documents));
        }
        if let [first, positive, rest @ ..] = &self.sentences()[..]
            && *first == query
        {
            return Ok(Documents {
                positives: vec![*positive],
                listed: vec![],
                negatives: rest.to_vec(),
                by_order: false,
            });
        }
        let is_positive = |column: usize, rank: usize| {
            column != query && matches!(self.named[column], NamedRole::Positive { rank: of, .. } if of == rank)
        };
        let of_rank = |rank: usize| {
            self.free.iter().copied().filter(move |&column| is_positive(column, rank)).collect::<Vec<_>>()
        };
        let is_documents = |column: usize| matches!(self.named[column], NamedRole::Positive { documents: true, .. });
        let positives = of_rank(0);
        if !positives.is_empty() {
            let listed =
                of_rank(1).into_iter().filter(|&column| is_documents(column) && self.is_list(column)).collect();
            return named(positives, listed);
        }
        for rank in 1..3 {
            match of_rank(rank)[..] {
                [] => {}
                [one] if is_documents(one) && (self.is_list(one) || self.is_literal(one)) => {
                    return named(vec![], vec![one]);
                }
                [one] => return named(vec![one], vec![]),
                ref several if several.iter().all(|&column| is_documents(column)) => {
                    return named(vec![], several.to_vec());
                }
                ref several => {
                    let names = quoted(several.iter().map(|&column| self.name(column)));
                    return Err(self.problem(format!("several columns could be the positive ({names})")));
                }
            }
        }
        self.documents_by_order(query, &negatives)
    }

    /// All columns of texts beside the query, in their order; those that are negatives by the mapping stay negatives.
    fn documents_by_order(&self, query: usize, negatives: &[usize]) -> Result<Documents> {
        let given: &[usize] = if self.roles.negatives.is_empty() { &[] } else { negatives };
        let all = self.free.iter().copied().filter(|&column| column != query && !self.spells_numbers(column));
        let mut all: Vec<usize> = all.collect();
        let Some(&first) = all.first() else {
            return Err(self.problem(format!("no document column beside the query \"{}\"", self.name(query))));
        };
        if self.named[first] == NamedRole::Negative {
            let first = self.name(first);
            return Err(self.problem(format!("\"{first}\" would be the positive, because it is the first document")));
        }
        let negatives = [all.split_off(1), given.to_vec()].concat();
        let (positives, listed) = if self.is_list(first) { (vec![], all) } else { (all, vec![]) };
        Ok(Documents { positives, listed, negatives, by_order: true })
    }

    pub(super) fn label(&self) -> Option<usize> {
        if let Some(label) = &self.roles.label {
            return self.mapped(std::slice::from_ref(label)).first().copied();
        }
        let columns = 0..self.named.len();
        let is_free = |column: &usize| !self.roles.has(self.name(*column));
        let exact = LABELS
            .iter()
            .find_map(|label| columns.clone().find(|&column| self.name(column) == *label && is_free(&column)));
        exact.or_else(|| columns.clone().find(|column| self.named[*column] == NamedRole::Label && is_free(column)))
    }

    pub(super) fn scores(&self, label: Option<usize>) -> Scores {
        if !self.roles.scores.is_empty() {
            return Scores::Columns(self.mapped(&self.roles.scores));
        }
        let is_list = |column: usize| match self.data.table().columns()[column].kind {
            ColumnKind::List(ListItems::Numbers) => true,
            ColumnKind::Text => {
                let first = self.texts(column).into_iter().next();
                first.is_some_and(|(row, text)| {
                    text.trim_start().starts_with('[')
                        && self.data.list(row, column).is_ok_and(|list| list.into_floats().is_some())
                })
            }
            _ => false,
        };
        if let Some(label) = label.filter(|&label| is_list(label)) {
            return Scores::List(label);
        }
        let is_score = |&column: &usize| self.named[column] == NamedRole::Score && !self.roles.has(self.name(column));
        match (0..self.named.len()).filter(is_score).collect::<Vec<_>>() {
            none if none.is_empty() => Scores::None,
            columns => Scores::Columns(columns),
        }
    }
}
