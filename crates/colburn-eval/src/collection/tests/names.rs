//! From names to folders.

use super::{super::resolve, *};

#[test]
fn a_name_in_any_case_finds_its_folder() {
    let root = tempfile::tempdir().unwrap();
    for (from, to) in [("first", "NANOSCIFACT"), ("second", "cranfield")] {
        copy(&fixture(from), &root.path().join(to));
    }
    for (name, expected) in [
        ("scifact", "NanoSciFact"),
        ("SciFact", "NanoSciFact"),
        ("nanoSciFact", "NanoSciFact"),
        ("zeta-alpha-ai/NanoSciFact", "NanoSciFact"),
        ("Cranfield", "NanoCranfield"),
        ("NanoCranfield", "NanoCranfield"),
    ] {
        assert_eq!(Collection::from_nano_name(name, Some(root.path())).unwrap().name(), expected);
    }
}

#[test]
fn what_is_not_in_a_root_is_named_with_the_way_to_get_it() {
    let root = tempfile::tempdir().unwrap();
    let message = |name: &str| {
        let message = Collection::from_nano_name(name, Some(root.path())).unwrap_err().to_string();
        message.replace(&root.path().display().to_string(), "ROOT")
    };
    let fetch = "to fetch it: huggingface-cli download --repo-type dataset zeta-alpha-ai/NanoNQ";
    assert_eq!(message("NQ"), format!("ROOT: no folder nq or NanoNQ; found: no folders; {fetch}"));
    fs::create_dir(root.path().join("cranfield")).unwrap();
    assert_eq!(message("NQ"), format!("ROOT: no folder nq or NanoNQ; found: cranfield; {fetch}"));
    let names = "climatefever, dbpedia, fever, fiqa2018, hotpotqa, msmarco, nfcorpus, nq, quoraretrieval, scidocs, arguana, scifact, touche2020";
    assert_eq!(
        message("Sci-Fact"),
        format!(
            "\"Sci-Fact\": no collection of this name; did you mean \"scifact\"? the names are: {names}, cranfield"
        )
    );
    assert_eq!(
        message("cranfeld"),
        format!(
            "\"cranfeld\": no collection of this name; did you mean \"cranfield\"? the names are: {names}, cranfield"
        )
    );
    for folder in ["nq", "NanoNQ"] {
        fs::create_dir(root.path().join(folder)).unwrap();
    }
    assert_eq!(message("nq"), "ROOT: both \"NanoNQ\" and \"nq\" could be NanoNQ; only one of them is expected");
}

#[test]
fn the_cache_of_the_hub_is_read() {
    let cache = tempfile::tempdir().unwrap();
    let repository = cache.path().join("datasets--zeta-alpha-ai--NanoFiQA2018");
    copy(&fixture("first"), &repository.join("snapshots/0123abcd"));
    let caches = [cache.path().join("absent"), cache.path().to_owned()];
    let message = resolve::in_caches("fiqa2018", &caches).unwrap_err().to_string();
    let looked =
        format!("{}, {}", caches[0].join("datasets--zeta-alpha-ai--NanoFiQA2018").display(), repository.display());
    let fetch = "to fetch it: huggingface-cli download --repo-type dataset zeta-alpha-ai/NanoFiQA2018";
    assert_eq!(message, format!("NanoFiQA2018: not in the local cache (looked at {looked}); {fetch}"));

    fs::create_dir(repository.join("refs")).unwrap();
    fs::write(repository.join("refs/main"), "0123abcd\n").unwrap();
    let collection = resolve::in_caches("FiQA2018", &caches).unwrap();
    assert_eq!((collection.name(), collection.queries()), ("NanoFiQA2018", 8));
    let message = resolve::in_caches("cranfield", &caches).unwrap_err().to_string();
    assert!(
        message.starts_with("\"cranfield\": no collection of this name; the names are: climatefever, "),
        "{message}"
    );
}
