//! The works that a card cites.

/// A work in BibTeX, with the reason for its citation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Citation {
    /// The cited method or library, such as `ColBERT`; a heading of the card.
    pub of: String,
    /// The entry.
    pub bibtex: &'static str,
}

impl Citation {
    /// The citation of a work for a method or library.
    pub fn new(of: impl Into<String>, bibtex: &'static str) -> Self {
        Self { of: of.into(), bibtex }
    }
}

/// Khattab and Zaharia 2020: the model.
pub(super) const COLBERT: &str = r#"@inproceedings{khattab2020colbert,
    title = {{ColBERT}: Efficient and Effective Passage Search via Contextualized Late Interaction over {BERT}},
    author = {Omar Khattab and Matei Zaharia},
    booktitle = {Proceedings of the 43rd International {ACM} {SIGIR} Conference on Research and Development in Information Retrieval},
    pages = {39--48},
    year = {2020},
    doi = {10.1145/3397271.3401075}
}"#;

/// Chaffin and Sourty 2025: the layout, the losses and the evaluation.
pub(super) const PYLATE: &str = r#"@inproceedings{DBLP:conf/cikm/ChaffinS25,
  author       = {Antoine Chaffin and
                  Rapha{\"{e}}l Sourty},
  editor       = {Meeyoung Cha and
                  Chanyoung Park and
                  Noseong Park and
                  Carl Yang and
                  Senjuti Basu Roy and
                  Jessie Li and
                  Jaap Kamps and
                  Kijung Shin and
                  Bryan Hooi and
                  Lifang He},
  title        = {PyLate: Flexible Training and Retrieval for Late Interaction Models},
  booktitle    = {Proceedings of the 34th {ACM} International Conference on Information
                  and Knowledge Management, {CIKM} 2025, Seoul, Republic of Korea, November
                  10-14, 2025},
  pages        = {6334--6339},
  publisher    = {{ACM}},
  year         = {2025},
  url          = {https://github.com/lightonai/pylate},
  doi          = {10.1145/3746252.3761608},
}"#;
