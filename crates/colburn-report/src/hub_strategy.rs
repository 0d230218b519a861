//! `hub_strategy`: an argument of every run, also of one that cannot upload because the feature `hub` is off.

use serde::{Deserialize, Serialize};

/// The uploads of a run before its end. The final model, with the reports of the run, is uploaded in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HubStrategy {
    /// The final model alone.
    End,
    /// The model of each checkpoint.
    #[default]
    EverySave,
    /// The model of each checkpoint, and the last checkpoint as a whole, in the folder `last-checkpoint` of the repository.
    Checkpoint,
    /// The model of each checkpoint, and all checkpoints as a whole, each in its folder.
    AllCheckpoints,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strategies_have_the_names_of_hugging_face() {
        // transformers.trainer_utils.HubStrategy
        for name in ["end", "every_save", "checkpoint", "all_checkpoints"] {
            serde_json::from_value::<HubStrategy>(name.into()).unwrap();
        }
    }
}
