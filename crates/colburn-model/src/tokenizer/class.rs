//! Which tokenizer class transformers 5 makes of a folder, and what the names in it are by default.
//!
//! Some classes take only the vocabulary and the added tokens of `tokenizer.json`, and build all steps themselves; others take the file as
//! it is written. Which is which goes by `AutoTokenizer.from_pretrained`: a class in `tokenizer_config.json` that is not the usual one of
//! the model's family means that the file is taken as it is.

/// What becomes of `tokenizer.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// `BertTokenizer`, and `DistilBertTokenizer`, `ElectraTokenizer`, which are the same.
    Bert,
    /// `MPNetTokenizer`.
    Mpnet,
    /// `RobertaTokenizer`.
    Roberta,
    /// `XLMRobertaTokenizer`.
    XlmRoberta,
    /// `CamembertTokenizer`.
    Camembert,
    /// `AlbertTokenizer`.
    Albert,
    /// The steps in the file are the tokenizer's.
    AsWritten,
}

impl Class {
    /// The class for a model of this `model_type`, given `tokenizer_class` of `tokenizer_config.json`, and that of `config.json`.
    pub fn of(model_type: Option<&str>, tokenizer_class: Option<&str>, of_model: Option<&str>) -> Self {
        let usual = model_type.and_then(usual);
        match (tokenizer_class, of_model) {
            (Some(named), _) => {
                let named = named.replace("Fast", "");
                if usual.is_some_and(|usual| usual != named) { Self::AsWritten } else { Self::named(&named) }
            }
            (None, Some(named)) => Self::named(&named.replace("Fast", "")),
            (None, None) => usual.map_or(Self::AsWritten, Self::named),
        }
    }

    fn named(name: &str) -> Self {
        match name {
            "BertTokenizer" | "DistilBertTokenizer" | "ElectraTokenizer" => Self::Bert,
            "MPNetTokenizer" => Self::Mpnet,
            "RobertaTokenizer" => Self::Roberta,
            "XLMRobertaTokenizer" => Self::XlmRoberta,
            "CamembertTokenizer" => Self::Camembert,
            "AlbertTokenizer" => Self::Albert,
            _ => Self::AsWritten,
        }
    }

    /// The special tokens that the class has where no file names them, in the order of [`Role`].
    pub fn default_tokens(self) -> [Option<&'static str>; Role::COUNT] {
        match self {
            Self::Bert => [None, None, Some("[UNK]"), Some("[SEP]"), Some("[PAD]"), Some("[CLS]"), Some("[MASK]")],
            Self::Mpnet => ["<s>", "</s>", "[UNK]", "</s>", "<pad>", "<s>", "<mask>"].map(Some),
            Self::Roberta | Self::XlmRoberta | Self::Camembert => {
                ["<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"].map(Some)
            }
            Self::Albert => ["[CLS]", "[SEP]", "<unk>", "[SEP]", "<pad>", "[CLS]", "[MASK]"].map(Some),
            Self::AsWritten => [None; Role::COUNT],
        }
    }

    /// Further special tokens that the class has where no file names any.
    pub fn default_extra_tokens(self) -> &'static [&'static str] {
        match self {
            Self::Camembert => &["<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"],
            _ => &[],
        }
    }

    /// Whether a mask token that is only named swallows the white space in front of it.
    pub fn strips_before_mask(self) -> bool {
        matches!(self, Self::Mpnet | Self::Camembert)
    }
}

/// The class of a family's tokenizers (`TOKENIZER_MAPPING_NAMES`); there is none for ModernBERT.
fn usual(model_type: &str) -> Option<&'static str> {
    match model_type {
        "bert" | "distilbert" | "electra" => Some("BertTokenizer"),
        "mpnet" => Some("MPNetTokenizer"),
        "roberta" => Some("RobertaTokenizer"),
        "xlm-roberta" => Some("XLMRobertaTokenizer"),
        "camembert" => Some("CamembertTokenizer"),
        "albert" => Some("AlbertTokenizer"),
        _ => None,
    }
}

/// The special tokens that have a name, in the order in which transformers adds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Bos,
    Eos,
    Unk,
    Sep,
    Pad,
    Cls,
    Mask,
}

impl Role {
    pub const COUNT: usize = 7;
    pub const ALL: [Self; Self::COUNT] = [Self::Bos, Self::Eos, Self::Unk, Self::Sep, Self::Pad, Self::Cls, Self::Mask];

    /// Under which files name it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Bos => "bos_token",
            Self::Eos => "eos_token",
            Self::Unk => "unk_token",
            Self::Sep => "sep_token",
            Self::Pad => "pad_token",
            Self::Cls => "cls_token",
            Self::Mask => "mask_token",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // AutoTokenizer.from_pretrained(folder) with these in config.json and tokenizer_config.json: the class that comes out.
    #[test]
    fn a_class_that_is_not_the_familys_own_takes_the_file_as_it_is() {
        let of = |model_type, class| Class::of(Some(model_type), Some(class), None);
        assert_eq!(of("bert", "BertTokenizer"), Class::Bert);
        assert_eq!(of("bert", "BertTokenizerFast"), Class::Bert);
        assert_eq!(of("bert", "PreTrainedTokenizerFast"), Class::AsWritten);
        assert_eq!(of("distilbert", "DistilBertTokenizer"), Class::AsWritten);
        assert_eq!(of("electra", "ElectraTokenizerFast"), Class::AsWritten);
        assert_eq!(of("bert", "XLMRobertaTokenizer"), Class::AsWritten);
        assert_eq!(of("xlm-roberta", "XLMRobertaTokenizerFast"), Class::XlmRoberta);
        assert_eq!(of("modernbert", "PreTrainedTokenizerFast"), Class::AsWritten);
        assert_eq!(of("modernbert", "BertTokenizer"), Class::Bert);
    }

    #[test]
    fn without_a_class_the_models_configuration_and_then_its_family_decide() {
        assert_eq!(Class::of(Some("camembert"), None, None), Class::Camembert);
        assert_eq!(Class::of(Some("distilbert"), None, None), Class::Bert);
        assert_eq!(Class::of(Some("bert"), None, Some("XLMRobertaTokenizer")), Class::XlmRoberta);
        assert_eq!(Class::of(Some("modernbert"), None, None), Class::AsWritten);
        assert_eq!(Class::of(None, None, None), Class::AsWritten);
    }
}
