//! The names by which columns have roles. They come from sentence-transformers, PyLate, FlagEmbedding, Tevatron and RAGatouille. Case, and the
//! signs between the words of a name, do not matter: `Hard-Negative 1` is `hard_negative_1`.

/// The columns of the train rows of a distillation data set.
pub(crate) const DISTILLATION: [&str; 3] = ["query_id", "document_ids", "scores"];
/// PyLate's `valid_label_columns`: the first of these that exists is the label.
pub(crate) const LABELS: [&str; 2] = ["label", "scores"];
/// Other names of labels.
const OTHER_LABELS: [&str; 8] =
    ["labels", "score", "similarity", "similarityscore", "relevance", "teacherscore", "teacherscores", "scorelist"];
/// A column that PyLate's collator removes: it names the data set that a row comes from.
const DATASET_NAME: &str = "dataset_name";
/// Names of queries, the first ones before the others.
const QUERIES: [&[&str]; 2] = [
    &["query", "queries", "querytext", "textquery", "anchor", "anchors", "anchortext", "textanchor"],
    &["question", "questions", "questiontext", "searchquery", "userquery"],
];
/// Names of positives that do not have `positive` or `pos` in them.
const POSITIVES: [&[&str]; 2] = [
    &[
        "answer",
        "answers",
        "response",
        "responses",
        "reply",
        "passage",
        "passages",
        "document",
        "documents",
        "documenttext",
        "doc",
        "docs",
        "context",
        "contexts",
        "paragraph",
        "chunk",
    ],
    &["text", "content", "contents"],
];
/// Names of documents that hold the positive first, then the negatives.
const DOCUMENTS: [&str; 4] = ["document", "documents", "doc", "docs"];
/// Words of names whose column is never a text.
const NO_TEXT: [&str; 15] = [
    "id", "ids", "idx", "index", "uuid", "docid", "docids", "pid", "pids", "qid", "qids", "url", "urls", "uri", "hash",
];
/// Words of names that tell about the text of another column, such as `positive_title`.
const ABOUT: [&str; 22] = [
    "title", "titles", "source", "sources", "tag", "tags", "type", "types", "lang", "language", "link", "links",
    "score", "scores", "rank", "ranks", "label", "labels", "length", "count", "date", "prompt",
];

/// The role that a name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NamedRole {
    /// A query; smaller numbers go first.
    Query(usize),
    /// A positive; smaller numbers go first. The document names hold the positive first, then negatives, in a list or in numbered
    /// columns.
    Positive {
        rank: usize,
        documents: bool,
    },
    Negative,
    /// One of the numbered texts of a row: `sentence_0`, `sentence_1`, ….
    Sentence(u64),
    Label,
    /// The teacher's score of a document: `score_1`.
    Score,
    /// A text about another one, or of no known name.
    Other,
    /// No text: an id, an address, an index.
    NoText,
}

impl NamedRole {
    pub(super) fn of(name: &str) -> Self {
        let words = words(name);
        let number = words.last().and_then(|word| word.parse::<u64>().ok());
        let stem = match number {
            Some(_) if words.len() > 1 => words[..words.len() - 1].concat(),
            _ => words.concat(),
        };
        let key = words.concat();
        let has = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
        let at = |tiers: &[&[&str]], key: &str| tiers.iter().position(|tier| tier.contains(&key));
        if LABELS.contains(&name) || LABELS.contains(&key.as_str()) || OTHER_LABELS.contains(&key.as_str()) {
            return Self::Label;
        }
        if name.contains("_id") || name == DATASET_NAME || has(&NO_TEXT) {
            return Self::NoText;
        }
        if number.is_some() && matches!(stem.as_str(), "score" | "scores" | "label" | "teacherscore") {
            return Self::Score;
        }
        if let Some(rank) = at(&QUERIES, &key) {
            return Self::Query(rank);
        }
        if has(&ABOUT) {
            return Self::Other;
        }
        if key.contains("negative") || has(&["neg", "negs"]) {
            return Self::Negative;
        }
        if key.contains("positive") || has(&["pos"]) {
            return Self::Positive { rank: 0, documents: false };
        }
        if let Some(rank) = at(&POSITIVES, &stem) {
            return Self::Positive {
                rank: rank + 1,
                documents: DOCUMENTS.contains(&stem.as_str()) || number.is_some(),
            };
        }
        if let (Some(number), "sentence") = (number, stem.as_str()) {
            return Self::Sentence(number);
        }
        if key.contains("query") || key.contains("anchor") {
            return Self::Query(QUERIES.len());
        }
        Self::Other
    }

    /// True if the column can hold texts with a role.
    pub(super) fn may_be_text(self) -> bool {
        !matches!(self, Self::Label | Self::Score | Self::NoText)
    }
}

/// The words of a name in lower case: letters or digits that stand together, and `hardNegative` is two.
fn words(name: &str) -> Vec<String> {
    #[derive(Clone, Copy, PartialEq)]
    enum Kind {
        Lower,
        Upper,
        Digit,
        Sign,
    }
    let kind = |c: char| match c {
        _ if c.is_numeric() => Kind::Digit,
        _ if c.is_uppercase() => Kind::Upper,
        _ if c.is_alphabetic() => Kind::Lower,
        _ => Kind::Sign,
    };
    let (mut words, mut last): (Vec<String>, Kind) = (Vec::new(), Kind::Sign);
    for c in name.chars() {
        let this = kind(c);
        let same = this == last || (last, this) == (Kind::Upper, Kind::Lower);
        match (this, same, words.last_mut()) {
            (Kind::Sign, ..) => {}
            (_, true, Some(word)) => word.extend(c.to_lowercase()),
            _ => words.push(c.to_lowercase().collect()),
        }
        last = this;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_words() {
        for (name, expected) in [
            ("Hard-Negative 1", &["hard", "negative", "1"][..]),
            ("hardNegative1", &["hard", "negative", "1"]),
            ("HARD_NEGATIVE", &["hard", "negative"]),
            ("__index_level_0__", &["index", "level", "0"]),
            ("", &[]),
        ] {
            assert_eq!(words(name), expected, "{name}");
        }
    }

    #[test]
    fn names_say_roles() {
        let positive = |rank: usize, documents: bool| NamedRole::Positive { rank, documents };
        for (names, expected) in [
            (&["query", "Query", "anchor", "queries", "query_text", "Query-Text"][..], NamedRole::Query(0)),
            (&["question", "search query"], NamedRole::Query(1)),
            (&["my_query", "query_expanded", "anchor_2"], NamedRole::Query(2)),
            (&["positive", "pos", "Positives", "text_positive", "positive_passages", "positive_1"], positive(0, false)),
            (&["answer", "response", "passage", "context"], positive(1, false)),
            (&["document", "documents", "doc_1", "passage_2"], positive(1, true)),
            (&["text", "content"], positive(2, false)),
            (&["negative", "neg", "negative_12", "hard_negative_1", "hardNegatives", "neg_0"], NamedRole::Negative),
            (&["sentence_0"], NamedRole::Sentence(0)),
            (&["sentence1"], NamedRole::Sentence(1)),
            (&["label", "scores", "score", "Label", "similarity"], NamedRole::Label),
            (&["score_1", "score_12", "label_0"], NamedRole::Score),
            (
                &["title", "source", "tags", "prompt", "positive_title", "neg_scores", "query_type", "views"],
                NamedRole::Other,
            ),
            (
                &[
                    "id",
                    "_id",
                    "docid",
                    "query_id",
                    "positive_ids",
                    "url",
                    "dataset_name",
                    "__index_level_0__",
                    "query id",
                ],
                NamedRole::NoText,
            ),
        ] {
            for name in names {
                assert_eq!(NamedRole::of(name), expected, "{name}");
            }
        }
    }
}
