//! The tokenizer classes of transformers 5 as a table, and the class of a model's folder.
//!
//! Some classes take only the vocabulary and the added tokens of `tokenizer.json` and build all steps themselves; other tokenizers keep the
//! steps of the file. The choice is that of `AutoTokenizer.from_pretrained`: if `tokenizer_config.json` names another class than the usual
//! one of the model's family, the file is kept as it is written.

/// A tokenizer class, which decides how `tokenizer.json` is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Bert,
    Mpnet,
    Roberta,
    XlmRoberta,
    Camembert,
    Albert,
    /// Any other class: the steps in the file are the tokenizer's.
    AsWritten,
}

/// The properties of a class in transformers.
#[derive(Debug)]
struct Properties {
    class: Class,
    /// The names in Python, without `Fast`. The classes of several names are the same.
    names: &'static [&'static str],
    /// The values of `model_type` whose usual class has the first of the names (`TOKENIZER_MAPPING_NAMES`). ModernBERT has none.
    model_types: &'static [&'static str],
    /// The special tokens if no file names them, in the order of [`Role`].
    tokens: [Option<&'static str>; Role::COUNT],
    /// Further special tokens if no file names any.
    extra_tokens: &'static [&'static str],
    /// True if a mask token that is only named by its text strips the white space before it.
    strips_before_mask: bool,
}

static CLASSES: [Properties; 6] = [
    Properties {
        class: Class::Bert,
        names: &["BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer"],
        model_types: &["bert", "distilbert", "electra"],
        tokens: [None, None, Some("[UNK]"), Some("[SEP]"), Some("[PAD]"), Some("[CLS]"), Some("[MASK]")],
        extra_tokens: &[],
        strips_before_mask: false,
    },
    Properties {
        class: Class::Mpnet,
        names: &["MPNetTokenizer"],
        model_types: &["mpnet"],
        tokens: all(["<s>", "</s>", "[UNK]", "</s>", "<pad>", "<s>", "<mask>"]),
        extra_tokens: &[],
        strips_before_mask: true,
    },
    Properties {
        class: Class::Roberta,
        names: &["RobertaTokenizer"],
        model_types: &["roberta"],
        tokens: all(["<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"]),
        extra_tokens: &[],
        strips_before_mask: false,
    },
    Properties {
        class: Class::XlmRoberta,
        names: &["XLMRobertaTokenizer"],
        model_types: &["xlm-roberta"],
        tokens: all(["<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"]),
        extra_tokens: &[],
        strips_before_mask: false,
    },
    Properties {
        class: Class::Camembert,
        names: &["CamembertTokenizer"],
        model_types: &["camembert"],
        tokens: all(["<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"]),
        extra_tokens: &["<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"],
        strips_before_mask: true,
    },
    Properties {
        class: Class::Albert,
        names: &["AlbertTokenizer"],
        model_types: &["albert"],
        tokens: all(["[CLS]", "[SEP]", "<unk>", "[SEP]", "<pad>", "[CLS]", "[MASK]"]),
        extra_tokens: &[],
        strips_before_mask: false,
    },
];

/// A text for every role.
const fn all(texts: [&'static str; Role::COUNT]) -> [Option<&'static str>; Role::COUNT] {
    let [bos, eos, unk, sep, pad, cls, mask] = texts;
    [Some(bos), Some(eos), Some(unk), Some(sep), Some(pad), Some(cls), Some(mask)]
}

impl Class {
    /// The class for a model of this `model_type`, given `tokenizer_class` of `tokenizer_config.json` and that of `config.json`.
    pub fn of(model_type: Option<&str>, tokenizer_class: Option<&str>, of_model: Option<&str>) -> Self {
        let usual = model_type.and_then(|model_type| CLASSES.iter().find(|row| row.model_types.contains(&model_type)));
        match (tokenizer_class, of_model) {
            (Some(named), _) => {
                let named = named.replace("Fast", "");
                if usual.is_some_and(|usual| usual.names[0] != named) { Self::AsWritten } else { Self::named(&named) }
            }
            (None, Some(named)) => Self::named(&named.replace("Fast", "")),
            (None, None) => usual.map_or(Self::AsWritten, |usual| usual.class),
        }
    }

    fn named(name: &str) -> Self {
        CLASSES.iter().find(|row| row.names.contains(&name)).map_or(Self::AsWritten, |row| row.class)
    }

    fn properties(self) -> Option<&'static Properties> {
        CLASSES.iter().find(|row| row.class == self)
    }

    /// The special tokens if no file names them, in the order of [`Role`].
    pub fn default_tokens(self) -> [Option<&'static str>; Role::COUNT] {
        self.properties().map_or([None; Role::COUNT], |row| row.tokens)
    }

    /// Further special tokens if no file names any.
    pub fn default_extra_tokens(self) -> &'static [&'static str] {
        self.properties().map_or(&[], |row| row.extra_tokens)
    }

    /// True if a mask token that is only named by its text strips the white space before it.
    pub fn strips_before_mask(self) -> bool {
        self.properties().is_some_and(|row| row.strips_before_mask)
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

    /// The key in files.
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
