//! The names of the collections of NanoBEIR.

use std::path::Path;

/// A collection of NanoBEIR: PyLate's short name, and the name in metrics, which is also that of the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NanoName {
    pub short: &'static str,
    pub full: &'static str,
}

impl NanoName {
    const fn new(short: &'static str, full: &'static str) -> Self {
        Self { short, full }
    }

    /// The collection of this name in any case: `scifact`, `NanoSciFact`, `zeta-alpha-ai/NanoSciFact`.
    pub fn of(name: &str) -> Option<Self> {
        let bare = name.to_ascii_lowercase();
        let bare = bare.strip_prefix("zeta-alpha-ai/").unwrap_or(&bare);
        let bare = bare.strip_prefix("nano").unwrap_or(bare);
        NANO_BEIR.into_iter().find(|known| known.short == bare)
    }

    /// Its repository on the hub.
    pub fn repository(self) -> String {
        format!("zeta-alpha-ai/{}", self.full)
    }
}

/// All collections of NanoBEIR, in PyLate's order.
pub(crate) const NANO_BEIR: [NanoName; 13] = [
    NanoName::new("climatefever", "NanoClimateFEVER"),
    NanoName::new("dbpedia", "NanoDBPedia"),
    NanoName::new("fever", "NanoFEVER"),
    NanoName::new("fiqa2018", "NanoFiQA2018"),
    NanoName::new("hotpotqa", "NanoHotpotQA"),
    NanoName::new("msmarco", "NanoMSMARCO"),
    NanoName::new("nfcorpus", "NanoNFCorpus"),
    NanoName::new("nq", "NanoNQ"),
    NanoName::new("quoraretrieval", "NanoQuoraRetrieval"),
    NanoName::new("scidocs", "NanoSCIDOCS"),
    NanoName::new("arguana", "NanoArguAna"),
    NanoName::new("scifact", "NanoSciFact"),
    NanoName::new("touche2020", "NanoTouche2020"),
];

/// The name of a collection in any spelling as metrics have it: PyLate's for those of NanoBEIR, `NanoCranfield` for `cranfield`.
pub(crate) fn full_name(name: &str) -> String {
    if let Some(known) = NanoName::of(name) {
        return known.full.to_owned();
    }
    let own = match name.get(..4) {
        Some(nano) if nano.eq_ignore_ascii_case("nano") && name.len() > 4 => &name[4..],
        _ => name,
    };
    let mut letters = own.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    "Nano".chars().chain(first).chain(letters).collect()
}

/// The name of a folder, also of `.`.
pub(crate) fn folder_name(folder: &Path) -> String {
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let real = || Some(folder.canonicalize().ok()?.file_name()?.to_string_lossy().into_owned());
    name.or_else(real).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_known() {
        for name in ["scifact", "SciFact", "SCIFACT", "NanoSciFact", "nanoscifact", "zeta-alpha-ai/NanoSciFact"] {
            assert_eq!(NanoName::of(name).map(|name| name.full), Some("NanoSciFact"), "{name}");
        }
        for name in ["", "nano", "cranfield", "sci-fact", "beir/scifact"] {
            assert_eq!(NanoName::of(name), None, "{name}");
        }
        assert!(NANO_BEIR.iter().all(|name| NanoName::of(name.full) == Some(*name)));
    }

    #[test]
    fn names_in_metrics() {
        for (name, full) in [
            ("touche2020", "NanoTouche2020"),
            ("cranfield", "NanoCranfield"),
            ("NanoCranfield", "NanoCranfield"),
            ("nanocranfield", "NanoCranfield"),
            ("nano", "NanoNano"),
            ("übung", "NanoÜbung"),
            ("CISI", "NanoCISI"),
        ] {
            assert_eq!(full_name(name), full);
        }
        assert_eq!(folder_name(Path::new("data/cisi/")), "cisi");
        assert!(!folder_name(Path::new(".")).is_empty());
    }
}
