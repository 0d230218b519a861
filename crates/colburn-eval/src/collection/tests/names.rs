//! The folders of names.

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
    let nowhere = |_, _| panic!("it is looked for nowhere else");
    let message = |name: &str, root| resolve::find(name, root, nowhere).unwrap_err().to_string();
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
fn what_is_not_in_the_root_comes_from_elsewhere() {
    let root = tempfile::tempdir().unwrap();
    copy(&fixture("second"), &root.path().join("scifact"));
    let elsewhere = tempfile::tempdir().unwrap();
    copy(&fixture("first"), &elsewhere.path().join("0123abcd"));
    for (root, expected) in [
        (None, "no folder of collections is given".to_owned()),
        (Some(root.path()), format!("there is no folder fiqa2018 or NanoFiQA2018 in {}", root.path().display())),
    ] {
        let fetched = resolve::find("FiQA2018", root, |known, looked| {
            assert_eq!((known.full, &looked), ("NanoFiQA2018", &expected));
            Ok(elsewhere.path().join("0123abcd"))
        });
        let collection = fetched.unwrap();
        assert_eq!((collection.name(), collection.queries()), ("NanoFiQA2018", 8));
    }
    let nowhere = |_, _| panic!("it is looked for nowhere else");
    assert_eq!(resolve::find("SciFact", Some(root.path()), nowhere).unwrap().queries(), 5);
}
