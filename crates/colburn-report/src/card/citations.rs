//! Works to cite for a loss: its own, and those of its settings.

use colburn_model::card::Citation;

use super::datasets::LossSection;

/// Gao et al. 2021: gradient caching.
const GRAD_CACHE: &str = r#"@misc{gao2021scaling,
    title = {Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup},
    author = {Luyu Gao and Yunyi Zhang and Jiawei Han and Jamie Callan},
    year = {2021},
    eprint = {2101.06983},
    archivePrefix = {arXiv},
    primaryClass = {cs.LG}
}"#;

/// Lee et al. 2023: only the best tokens of a batch count.
const XTR: &str = r#"@inproceedings{lee2023rethinking,
    title = {Rethinking the Role of Token Retrieval in Multi-Vector Retrieval},
    author = {Jinhyuk Lee and Zhuyun Dai and Sai Meher Karthik Duddu and Tao Lei and Iftekhar Naim and Ming-Wei Chang and Vincent Y. Zhao},
    booktitle = {Advances in Neural Information Processing Systems},
    year = {2023}
}"#;

/// Adds the works of a loss, each once.
pub(super) fn add(citations: &mut Vec<Citation>, loss: &LossSection) {
    let xtr = loss.settings.iter().any(|(key, value)| *key == "score_metric" && value == "\"xtr\"");
    let caching = loss.settings.iter().any(|(key, _)| *key == "mini_batch_size");
    let own = loss.citation.map(|bibtex| (loss.name, bibtex));
    let works = [own, xtr.then_some(("XTR", XTR)), caching.then_some(("Gradient caching", GRAD_CACHE))];
    for (of, bibtex) in works.into_iter().flatten() {
        if !citations.iter().any(|citation| citation.bibtex == bibtex) {
            citations.push(Citation::new(of, bibtex));
        }
    }
}
