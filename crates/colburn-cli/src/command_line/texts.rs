//! The arguments about the texts of a command: how they are read, and what is put before them.

use std::path::Path;

use clap::Args;
use colburn::data::{Source, TextColumns};

use crate::file_format::{FormatConfig, FormatName, delimiter};

/// The reading of texts, where their columns and format are not known by names and contents.
#[derive(Args, Clone, Debug, Default)]
pub struct TextArguments {
    /// The column of the ids, if it is none of _id, id, docid, pid, qid, query_id, document_id and their like; of several with commas
    /// between them, the first that there is.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub id_column: Vec<String>,
    /// The column of the texts, if it is none of text, contents, document, passage, query and their like; of several with commas between
    /// them, the first that there is.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub text_column: Vec<String>,
    /// The format of the texts, if their contents and names do not tell it.
    #[arg(long, value_name = "FORMAT")]
    pub input_format: Option<FormatName>,
    /// The character between the columns of a CSV file, or `tab`; found out unless given.
    #[arg(long, value_name = "CHAR", value_parser = delimiter)]
    pub delimiter: Option<char>,
    /// The names of the columns of a CSV file without a header, with commas between them.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub column_names: Option<Vec<String>>,
    /// The split of a data set that has several.
    #[arg(long, value_name = "NAME")]
    pub input_split: Option<String>,
}

impl TextArguments {
    /// The texts of a path, to be read as these arguments say.
    pub fn source(&self, path: &Path) -> Source {
        FormatConfig {
            format: self.input_format,
            delimiter: self.delimiter,
            column_names: self.column_names.clone(),
            split: self.input_split.clone(),
        }
        .source(path)
    }

    /// The columns that these arguments name.
    pub fn columns(&self) -> TextColumns {
        TextColumns::default().with_ids(&self.id_column).with_texts(&self.text_column)
    }
}

/// The prompt of texts of one kind.
#[derive(Args, Clone, Debug, Default)]
pub struct PromptArguments {
    /// Put before every text, instead of the model's default prompt.
    #[arg(long, value_name = "TEXT")]
    pub prompt: Option<String>,
    /// Put before every text the prompt that is saved with the model under this name.
    #[arg(long, value_name = "NAME", conflicts_with = "prompt")]
    pub prompt_name: Option<String>,
}

/// The prompts of queries and of documents.
#[derive(Args, Clone, Debug, Default)]
pub struct PromptsArguments {
    /// Put before every query, instead of the model's default prompt.
    #[arg(long, visible_alias = "prompt", value_name = "TEXT")]
    pub query_prompt: Option<String>,
    /// Put before every query the prompt that is saved with the model under this name.
    #[arg(long, visible_alias = "prompt-name", value_name = "NAME", conflicts_with = "query_prompt")]
    pub query_prompt_name: Option<String>,
    /// Put before every document that is encoded, instead of the model's default prompt.
    #[arg(long, visible_alias = "document-prompt", value_name = "TEXT")]
    pub corpus_prompt: Option<String>,
    /// Put before every document that is encoded the prompt that is saved with the model under this name.
    #[arg(long, visible_alias = "document-prompt-name", value_name = "NAME", conflicts_with = "corpus_prompt")]
    pub corpus_prompt_name: Option<String>,
}
