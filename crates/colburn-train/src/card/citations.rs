//! What a loss goes back to.

use colburn_model::card::Citation;

use super::datasets::LossFacts;

/// van den Oord et al. 2018: the contrastive loss over a batch.
const INFO_NCE: &str = r#"@misc{oord2018representation,
    title = {Representation Learning with Contrastive Predictive Coding},
    author = {Aaron van den Oord and Yazhe Li and Oriol Vinyals},
    year = {2018},
    eprint = {1807.03748},
    archivePrefix = {arXiv},
    primaryClass = {cs.LG}
}"#;

/// Gao et al. 2021: gradient caching.
const GRAD_CACHE: &str = r#"@misc{gao2021scaling,
    title = {Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup},
    author = {Luyu Gao and Yunyi Zhang and Jiawei Han and Jamie Callan},
    year = {2021},
    eprint = {2101.06983},
    archivePrefix = {arXiv},
    primaryClass = {cs.LG}
}"#;

/// Santhanam et al. 2022: distillation of a cross-encoder's scores.
const COLBERT_V2: &str = r#"@inproceedings{santhanam-etal-2022-colbertv2,
    title = {{ColBERTv2}: Effective and Efficient Retrieval via Lightweight Late Interaction},
    author = {Keshav Santhanam and Omar Khattab and Jon Saad-Falcon and Christopher Potts and Matei Zaharia},
    booktitle = {Proceedings of the 2022 Conference of the North American Chapter of the Association for Computational Linguistics: Human Language Technologies},
    year = {2022},
    publisher = {Association for Computational Linguistics}
}"#;

/// Hofstätter et al. 2020: margins.
const MARGIN_MSE: &str = r#"@misc{hofstaetter2020improving,
    title = {Improving Efficient Neural Ranking Models with Cross-Architecture Knowledge Distillation},
    author = {Sebastian Hofst{\"a}tter and Sophia Althammer and Michael Schr{\"o}der and Mete Sertkan and Allan Hanbury},
    year = {2020},
    eprint = {2010.02666},
    archivePrefix = {arXiv},
    primaryClass = {cs.IR}
}"#;

/// Lee et al. 2023: only the best tokens of a batch count.
const XTR: &str = r#"@inproceedings{lee2023rethinking,
    title = {Rethinking the Role of Token Retrieval in Multi-Vector Retrieval},
    author = {Jinhyuk Lee and Zhuyun Dai and Sai Meher Karthik Duddu and Tao Lei and Iftekhar Naim and Ming-Wei Chang and Vincent Y. Zhao},
    booktitle = {Advances in Neural Information Processing Systems},
    year = {2023}
}"#;

/// Adds what a loss goes back to, once.
pub(super) fn add(citations: &mut Vec<Citation>, loss: &LossFacts) {
    let own = match loss.name {
        "contrastive" => Some(("Contrastive", INFO_NCE)),
        "distillation" => Some(("Distillation", COLBERT_V2)),
        "margin_mse" => Some(("MarginMse", MARGIN_MSE)),
        _ => None,
    };
    let xtr = loss.settings.iter().any(|(key, value)| *key == "score_metric" && value == "\"xtr\"");
    let caching = loss.settings.iter().any(|(key, _)| *key == "mini_batch_size");
    let works = [own, xtr.then_some(("XTR", XTR)), caching.then_some(("Gradient caching", GRAD_CACHE))];
    for (of, bibtex) in works.into_iter().flatten() {
        if !citations.iter().any(|citation| citation.bibtex == bibtex) {
            citations.push(Citation::new(of, bibtex));
        }
    }
}
