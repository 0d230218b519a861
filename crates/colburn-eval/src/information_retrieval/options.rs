//! The options of an evaluation of retrieval, under the names that sentence-transformers gives them.

use serde::Deserialize;

use crate::error::{Error, Result};

/// Options of [`InformationRetrievalEvaluator`](crate::InformationRetrievalEvaluator) and
/// [`NanoBeirEvaluator`](crate::NanoBeirEvaluator): names and defaults are those of sentence-transformers' evaluators.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetrievalOptions {
    /// Cuts of the mean reciprocal rank, 10.
    pub mrr_at_k: Vec<usize>,
    /// Cuts of nDCG with binary gains, 10; the largest of them gives the primary metric.
    pub ndcg_at_k: Vec<usize>,
    /// Cuts of accuracy, the share of queries with a relevant document: 1, 3, 5 and 10.
    pub accuracy_at_k: Vec<usize>,
    /// Cuts of precision and recall, 1, 3, 5 and 10.
    pub precision_recall_at_k: Vec<usize>,
    /// Cuts of the mean average precision, 100.
    pub map_at_k: Vec<usize>,
    /// Documents that are scored together, 50,000. PyLate pads them to the longest among them, which keeps the maxima of the others from
    /// going below 0, so scores may depend on it.
    pub corpus_chunk_size: usize,
    /// Texts that are encoded at once; without a number 32 on a CPU, and on any other device as many as keep it busy.
    pub batch_size: Option<usize>,
    /// Put before every query; without one, the model's own prompt if it has a `default_prompt_name`.
    pub query_prompt: Option<String>,
    /// Put before every document, likewise.
    pub corpus_prompt: Option<String>,
    /// The name of a prompt that is saved with the model, instead of `query_prompt`.
    pub query_prompt_name: Option<String>,
    /// The name of a prompt that is saved with the model, instead of `corpus_prompt`.
    pub corpus_prompt_name: Option<String>,
    /// Tokens of a query, instead of the model's `query_length`.
    pub query_length: Option<usize>,
    /// Tokens of a document at the most, instead of the model's `document_length`.
    pub document_length: Option<usize>,
    /// True if the documents found for each query, with their scores, are written beside the CSV file; false by default.
    pub write_predictions: bool,
    /// True if a document that has the id of a query is left out of what is found for it, as BEIR and MTEB do (`ignore_identical_ids`);
    /// false by default, as in PyLate. In ArguAna and Quora the queries stand in the corpus.
    pub ignore_identical_ids: bool,
}

impl Default for RetrievalOptions {
    fn default() -> Self {
        Self {
            mrr_at_k: vec![10],
            ndcg_at_k: vec![10],
            accuracy_at_k: vec![1, 3, 5, 10],
            precision_recall_at_k: vec![1, 3, 5, 10],
            map_at_k: vec![100],
            corpus_chunk_size: 50_000,
            batch_size: None,
            query_prompt: None,
            corpus_prompt: None,
            query_prompt_name: None,
            corpus_prompt_name: None,
            query_length: None,
            document_length: None,
            write_predictions: false,
            ignore_identical_ids: false,
        }
    }
}

impl RetrievalOptions {
    /// Checks that they can be used.
    ///
    /// # Errors
    /// When a list of cuts is empty, holds 0 or a number twice, a size is 0, or a prompt is given both as a text and by its name.
    pub fn check(&self) -> Result<()> {
        for (option, cuts) in self.cuts() {
            let wrong = |message: &str| {
                let message = message.to_owned();
                Err(Error::Option { option, value: format!("{cuts:?}"), message })
            };
            if cuts.is_empty() {
                return wrong("at least one number of documents is expected, such as [10]");
            }
            if cuts.contains(&0) {
                return wrong("the best 0 documents tell nothing; positive numbers are expected");
            }
            if (1..cuts.len()).any(|at| cuts[..at].contains(&cuts[at])) {
                return wrong("numbers that differ are expected");
            }
        }
        let prompts = [
            ("query_prompt_name", &self.query_prompt, &self.query_prompt_name),
            ("corpus_prompt_name", &self.corpus_prompt, &self.corpus_prompt_name),
        ];
        if let Some((option, Some(prompt), Some(name))) =
            prompts.into_iter().find(|(_, text, name)| text.is_some() && name.is_some())
        {
            let message = format!("a prompt is given as a text, too ({prompt:?}); leave one of them out");
            return Err(Error::Option { option, value: format!("{name:?}"), message });
        }
        let sizes = [
            ("corpus_chunk_size", Some(self.corpus_chunk_size)),
            ("batch_size", self.batch_size),
            ("query_length", self.query_length),
            ("document_length", self.document_length),
        ];
        match sizes.into_iter().find(|(_, size)| *size == Some(0)) {
            Some((option, _)) => Err(Error::Option {
                option,
                value: "0".to_owned(),
                message: "a positive number is expected".to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// The number of documents to find for a query.
    pub(crate) fn most(&self) -> usize {
        self.cuts().into_iter().flat_map(|(_, cuts)| cuts).copied().max().unwrap_or(1)
    }

    fn cuts(&self) -> [(&'static str, &[usize]); 5] {
        [
            ("mrr_at_k", &self.mrr_at_k),
            ("ndcg_at_k", &self.ndcg_at_k),
            ("accuracy_at_k", &self.accuracy_at_k),
            ("precision_recall_at_k", &self.precision_recall_at_k),
            ("map_at_k", &self.map_at_k),
        ]
    }
}

/// The methods that set options, for an evaluator with a method `change` that does it. They are the same for one collection and for
/// several.
macro_rules! option_methods {
    () => {
        /// Sets all options.
        ///
        /// # Errors
        /// When they cannot be used: [`RetrievalOptions::check`](crate::RetrievalOptions::check).
        pub fn options(self, options: crate::RetrievalOptions) -> crate::Result<Self> {
            self.change(|own| *own = options.clone())
        }

        /// Cuts of the mean reciprocal rank, 10.
        ///
        /// # Errors
        /// When there is none, or one is 0; so do all cuts.
        pub fn mrr_at_k(self, k: &[usize]) -> crate::Result<Self> {
            self.change(|options| options.mrr_at_k = k.to_vec())
        }

        /// Cuts of nDCG with binary gains, 10; the largest gives the primary metric.
        ///
        /// # Errors
        /// When there is none, or one is 0.
        pub fn ndcg_at_k(self, k: &[usize]) -> crate::Result<Self> {
            self.change(|options| options.ndcg_at_k = k.to_vec())
        }

        /// Cuts of accuracy, 1, 3, 5 and 10.
        ///
        /// # Errors
        /// When there is none, or one is 0.
        pub fn accuracy_at_k(self, k: &[usize]) -> crate::Result<Self> {
            self.change(|options| options.accuracy_at_k = k.to_vec())
        }

        /// Cuts of precision and recall, 1, 3, 5 and 10.
        ///
        /// # Errors
        /// When there is none, or one is 0.
        pub fn precision_recall_at_k(self, k: &[usize]) -> crate::Result<Self> {
            self.change(|options| options.precision_recall_at_k = k.to_vec())
        }

        /// Cuts of the mean average precision, 100.
        ///
        /// # Errors
        /// When there is none, or one is 0.
        pub fn map_at_k(self, k: &[usize]) -> crate::Result<Self> {
            self.change(|options| options.map_at_k = k.to_vec())
        }

        /// Documents that are scored together, 50,000.
        ///
        /// # Errors
        /// When it is 0.
        pub fn corpus_chunk_size(self, documents: usize) -> crate::Result<Self> {
            self.change(|options| options.corpus_chunk_size = documents)
        }

        /// Texts that are encoded at once; without a number 32 on a CPU, and on any other device as many as keep it busy.
        ///
        /// # Errors
        /// When it is 0.
        pub fn batch_size(self, texts: usize) -> crate::Result<Self> {
            self.change(|options| options.batch_size = Some(texts))
        }

        /// Tokens of a document at the most, instead of the model's `document_length`.
        ///
        /// # Errors
        /// When it is 0.
        pub fn document_length(self, tokens: usize) -> crate::Result<Self> {
            self.change(|options| options.document_length = Some(tokens))
        }

        /// Sets that the documents found for each query are written beside the CSV file, as JSON Lines.
        ///
        /// # Errors
        /// None of its own.
        pub fn write_predictions(self, write: bool) -> crate::Result<Self> {
            self.change(|options| options.write_predictions = write)
        }

        /// Sets that a document with the id of a query is left out of what is found for it, as BEIR and MTEB do.
        ///
        /// # Errors
        /// None of its own.
        pub fn ignore_identical_ids(self, ignore: bool) -> crate::Result<Self> {
            self.change(|options| options.ignore_identical_ids = ignore)
        }

        /// The name of a prompt that is saved with the model and goes before every query.
        ///
        /// # Errors
        /// When a text is given for it already.
        pub fn query_prompt_name(self, name: &str) -> crate::Result<Self> {
            self.change(|options| options.query_prompt_name = Some(name.to_owned()))
        }

        /// The name of a prompt that is saved with the model and goes before every document.
        ///
        /// # Errors
        /// When a text is given for it already.
        pub fn corpus_prompt_name(self, name: &str) -> crate::Result<Self> {
            self.change(|options| options.corpus_prompt_name = Some(name.to_owned()))
        }
    };
}
pub(crate) use option_methods;

/// Makes the settings of an evaluator in a configuration file: its own keys, and those that all evaluators of retrieval have.
macro_rules! retrieval_settings {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
            /// Cuts of accuracy.
            pub accuracy_at_k: Option<Vec<usize>>,
            /// Cuts of precision and recall.
            pub precision_recall_at_k: Option<Vec<usize>>,
            /// Cuts of the mean reciprocal rank.
            pub mrr_at_k: Option<Vec<usize>>,
            /// Cuts of nDCG.
            pub ndcg_at_k: Option<Vec<usize>>,
            /// Cuts of the mean average precision.
            pub map_at_k: Option<Vec<usize>>,
            /// Documents that are scored together.
            pub corpus_chunk_size: Option<usize>,
            /// True if the documents found for each query are written beside the CSV file.
            pub write_predictions: bool,
            /// True if a document with the id of a query is left out of what is found for it.
            pub ignore_identical_ids: bool,
            /// The name of a saved prompt that goes before every query.
            pub query_prompt_name: Option<String>,
            /// The name of a saved prompt that goes before every document.
            pub corpus_prompt_name: Option<String>,
            /// Texts that are encoded at once.
            pub batch_size: Option<usize>,
        }

        impl $name {
            /// The options that all evaluators of retrieval have: those that are given, else the defaults.
            pub(crate) fn options(&self, batch_size: Option<usize>) -> crate::RetrievalOptions {
                let default = crate::RetrievalOptions::default();
                let cuts = |given: &Option<Vec<usize>>, default: Vec<usize>| given.clone().unwrap_or(default);
                crate::RetrievalOptions {
                    mrr_at_k: cuts(&self.mrr_at_k, default.mrr_at_k),
                    ndcg_at_k: cuts(&self.ndcg_at_k, default.ndcg_at_k),
                    accuracy_at_k: cuts(&self.accuracy_at_k, default.accuracy_at_k),
                    precision_recall_at_k: cuts(&self.precision_recall_at_k, default.precision_recall_at_k),
                    map_at_k: cuts(&self.map_at_k, default.map_at_k),
                    corpus_chunk_size: self.corpus_chunk_size.unwrap_or(default.corpus_chunk_size),
                    batch_size: self.batch_size.or(batch_size),
                    query_prompt: None,
                    corpus_prompt: None,
                    query_prompt_name: self.query_prompt_name.clone(),
                    corpus_prompt_name: self.corpus_prompt_name.clone(),
                    query_length: None,
                    document_length: None,
                    write_predictions: self.write_predictions,
                    ignore_identical_ids: self.ignore_identical_ids,
                }
            }
        }
    };
}
pub(crate) use retrieval_settings;
