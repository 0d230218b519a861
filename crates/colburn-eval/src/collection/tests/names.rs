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
fn a_name_that_is_none_is_refused_with_those_that_are() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("cranfield")).unwrap();
    let message = |name: &str, root| resolve::find(name, root, None).unwrap_err().to_string();
    let names = "climatefever, dbpedia, fever, fiqa2018, hotpotqa, msmarco, nfcorpus, nq, quoraretrieval, scidocs, arguana, scifact, touche2020";
    for (name, near) in
        [("Sci-Fact", "did you mean \"scifact\"? "), ("cranfeld", "did you mean \"cranfield\"? "), ("x", "")]
    {
        let expected = format!("\"{name}\": no collection of this name; {near}the names are: {names}, cranfield");
        assert_eq!(message(name, Some(root.path())), expected);
    }
    assert_eq!(
        message("cranfield", None),
        format!("\"cranfield\": no collection of this name; the names are: {names}")
    );
    for folder in ["nq", "NanoNQ"] {
        fs::create_dir(root.path().join(folder)).unwrap();
    }
    let [first, second] = ["NanoNQ", "nq"].map(|name| root.path().join(name).display().to_string());
    let expected = format!("NanoNQ: both {first} and {second} could be it; only one of them is expected");
    assert_eq!(message("nq", Some(root.path())), expected);
}

#[test]
fn what_is_not_in_the_root_may_be_in_the_cache_of_the_hub() {
    let (root, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    copy(&fixture("second"), &root.path().join("scifact"));
    let repository = cache.path().join("datasets--zeta-alpha-ai--NanoFiQA2018");
    copy(&fixture("first"), &repository.join("snapshots/0123abcd"));
    let find = |name: &str, root: Option<&TempDir>| resolve::find(name, root.map(TempDir::path), Some(cache.path()));

    let looked = repository.display().to_string();
    let fetch = "to fetch it: huggingface-cli download --repo-type dataset zeta-alpha-ai/NanoFiQA2018";
    let message = find("fiqa2018", None).unwrap_err().to_string();
    assert_eq!(message, format!("NanoFiQA2018: no such folder; looked for {looked}; {fetch}"));
    let looked = format!("fiqa2018 or NanoFiQA2018 in {}, then {looked}", root.path().display());
    let message = find("fiqa2018", Some(&root)).unwrap_err().to_string();
    assert_eq!(message, format!("NanoFiQA2018: no such folder; looked for {looked}; {fetch}"));

    fs::create_dir(repository.join("refs")).unwrap();
    fs::write(repository.join("refs/main"), "0123abcd\n").unwrap();
    for root in [None, Some(&root)] {
        let collection = find("FiQA2018", root).unwrap();
        assert_eq!((collection.name(), collection.queries()), ("NanoFiQA2018", 8));
    }
    assert_eq!(find("SciFact", Some(&root)).unwrap().queries(), 5);
}
