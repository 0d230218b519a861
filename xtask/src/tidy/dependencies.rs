//! The dependency arrows of docs/architecture.md, checked in the manifests: the uses that are allowed among our crates, and the
//! foreign crates that have a limited number of users.

use super::manifest::Dependency;
use super::problem::Problem;
use super::repository::Repository;

/// Each crate with the crates of ours that it may depend on, tests included.
const ARROWS: [(&str, &[&str]); 11] = [
    ("colburn-ops", &[]),
    ("colburn-hub", &[]),
    ("colburn-model", &["colburn-hub", "colburn-ops"]),
    ("colburn-loss", &["colburn-ops"]),
    ("colburn-data", &["colburn-hub", "colburn-ops", "colburn-model"]),
    ("colburn-search", &["colburn-ops", "colburn-model"]),
    ("colburn-eval", &["colburn-hub", "colburn-ops", "colburn-model", "colburn-data", "colburn-search"]),
    (
        "colburn-report",
        &["colburn-hub", "colburn-ops", "colburn-model", "colburn-loss", "colburn-data", "colburn-eval"],
    ),
    (
        "colburn-train",
        &[
            "colburn-hub",
            "colburn-ops",
            "colburn-model",
            "colburn-loss",
            "colburn-data",
            "colburn-eval",
            "colburn-report",
        ],
    ),
    (
        "colburn",
        &[
            "colburn-hub",
            "colburn-ops",
            "colburn-model",
            "colburn-loss",
            "colburn-data",
            "colburn-search",
            "colburn-eval",
            "colburn-report",
            "colburn-train",
        ],
    ),
    ("colburn-cli", &["colburn"]),
];

/// Foreign crates, with a feature where only that is restricted, and their only users.
const EXCLUSIVE: [(&str, Option<&str>, &[&str]); 9] = [
    ("burn", Some("train"), &["colburn-train"]),
    ("burn-train", None, &["colburn-train"]),
    ("polars-arrow", None, &["colburn-data"]),
    ("polars-buffer", None, &["colburn-data"]),
    ("polars-parquet", None, &["colburn-data"]),
    ("hf-hub", None, &["colburn-hub"]),
    ("gemm", None, &["colburn-ops", "colburn-search"]),
    ("pulp", None, &["colburn-ops"]),
    ("next-plaid", None, &["colburn-search"]),
];

/// Crates of ours that must not see a foreign crate at all.
const ABSENT: [(&str, &str, &str); 1] =
    [("colburn-data", "burn", "batches are made off the training thread, where no tensor may be")];

pub fn arrows(repository: &Repository) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, manifest) in repository.crates() {
        let path = format!("crates/{name}/Cargo.toml");
        let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == name) else {
            problems.push(Problem::in_file(
                &path,
                format!("{name} has no place among the arrows of xtask/src/tidy/dependencies.rs"),
            ));
            continue;
        };
        for Dependency { name: used, .. } in manifest.dependencies() {
            if (used == "colburn" || used.starts_with("colburn-")) && !allowed.contains(&used.as_str()) {
                problems.push(Problem::in_file(&path, format!("{name} must not depend on {used}")));
            }
        }
    }
    problems
}

pub fn exclusive(repository: &Repository) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, manifest) in repository.crates() {
        let path = format!("crates/{name}/Cargo.toml");
        for dependency in manifest.dependencies() {
            for (foreign, feature, users) in EXCLUSIVE {
                let concerned = feature.is_none_or(|feature| dependency.features.iter().any(|given| given == feature));
                if dependency.name == foreign && concerned && !users.contains(&name) {
                    let what =
                        feature.map_or(foreign.to_owned(), |feature| format!("{foreign} with the feature {feature}"));
                    problems
                        .push(Problem::in_file(&path, format!("only {} may depend on {what}", users.join(" and "))));
                }
            }
            for (ours, foreign, reason) in ABSENT {
                if name == ours && dependency.name == foreign {
                    problems.push(Problem::in_file(&path, format!("{ours} must not depend on {foreign}: {reason}")));
                }
            }
        }
    }
    // A feature that the workspace turns on is on in every crate.
    for (foreign, feature, users) in EXCLUSIVE {
        let Some((feature, root)) = feature.zip(repository.file("Cargo.toml")) else {
            continue;
        };
        let shared = super::manifest::Manifest::parse(&root.text).dependencies();
        if shared.iter().any(|shared| shared.name == foreign && shared.features.iter().any(|given| given == feature)) {
            let message = format!("only {} may turn on {foreign}'s feature {feature}", users.join(" and "));
            problems.push(Problem::in_file("Cargo.toml", message));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::{Repository, arrows, exclusive};

    #[test]
    fn the_arrows_of_the_design_pass() {
        let repository = Repository::of(&[
            ("crates/colburn-ops/Cargo.toml", "[dependencies]\nburn.workspace = true"),
            ("crates/colburn-loss/Cargo.toml", "[dependencies]\ncolburn-ops.workspace = true"),
            (
                "crates/colburn-train/Cargo.toml",
                "[dependencies]\nburn = { workspace = true, features = [\"train\"] }\ncolburn-loss.workspace = true",
            ),
            (
                "crates/colburn-data/Cargo.toml",
                "[dependencies]\npolars-parquet.workspace = true\n[dev-dependencies]\ncolburn-model.workspace = true",
            ),
        ]);
        assert_eq!(arrows(&repository), []);
        assert_eq!(exclusive(&repository), []);
    }

    #[test]
    fn an_arrow_against_the_stream_is_found_in_tests_too() {
        for section in ["dependencies", "dev-dependencies", "build-dependencies", "target.'cfg(unix)'.dependencies"] {
            let manifest = format!("[{section}]\ncolburn-model.workspace = true");
            let repository = Repository::of(&[("crates/colburn-loss/Cargo.toml", &manifest)]);
            assert_eq!(arrows(&repository)[0].message, "colburn-loss must not depend on colburn-model", "{section}");
        }
    }

    #[test]
    fn a_crate_without_a_place_is_found() {
        assert_eq!(arrows(&Repository::of(&[("crates/colburn-new/Cargo.toml", "")])).len(), 1);
    }

    #[test]
    fn a_second_user_is_found() {
        for (name, line) in [
            ("colburn-eval", "burn = { workspace = true, features = [\"train\"] }"),
            ("colburn-model", "burn-train = \"0.22\""),
            ("colburn-cli", "polars-parquet.workspace = true"),
            ("colburn-train", "hf-hub = \"1\""),
            ("colburn-data", "burn.workspace = true"),
            ("colburn-model", "gemm.workspace = true"),
        ] {
            let path = format!("crates/{name}/Cargo.toml");
            let repository = Repository::of(&[(&path, &format!("[dependencies]\n{line}"))]);
            assert_eq!(exclusive(&repository).len(), 1, "{name}: {line}");
        }
    }

    #[test]
    fn the_workspace_must_not_turn_it_on_for_everyone() {
        let root = "[workspace.dependencies]\nburn = { version = \"=0.22.1\", features = [\"train\"] }";
        assert_eq!(exclusive(&Repository::of(&[("Cargo.toml", root)])).len(), 1);
    }
}
