//! Models: which files are fetched, how often, and where they lie.

use std::fs;

use colburn::hub::Hub;

use crate::{
    files, hub, id,
    server::{READ, Server},
};

const MODEL: [(&str, &[u8]); 14] = [
    (".gitattributes", b"x"),
    ("1_Dense/config.json", b"{}"),
    ("1_Dense/model.safetensors", b"dense"),
    ("README.md", b"a model"),
    ("config.json", b"{}"),
    ("flax_model.msgpack", b"flax"),
    ("model.safetensors", b"encoder"),
    (
        "modules.json",
        br#"[{"path": "", "type": "T"}, {"path": "1_Dense", "type": "D"}, {"path": "2_Normalize", "type": "N"}]"#,
    ),
    ("onnx/config.json", b"{}"),
    ("onnx/model.onnx", b"onnx"),
    ("pytorch_model.bin", b"pickled"),
    ("tokenizer.json", b"{}"),
    ("training_args.bin", b"pickled"),
    ("vocab.txt", b"a"),
];
const NEEDED: [&str; 7] = [
    "1_Dense/config.json",
    "1_Dense/model.safetensors",
    "config.json",
    "model.safetensors",
    "modules.json",
    "tokenizer.json",
    "vocab.txt",
];

#[test]
fn a_model_is_what_it_takes_to_load_it() {
    let (server, cache) = (Server::start(), tempfile::tempdir().unwrap());
    let commit = server.add_model("org/name", &MODEL);
    // Listings come in pages.
    server.state().page = 4;
    let folder = hub(&server, cache.path()).model(&id("org/name")).unwrap();
    assert_eq!(files(&folder), NEEDED);
    assert_eq!(server.seen("GET /api/models/org/name/tree").len(), 4);
    for (path, bytes) in MODEL {
        assert!(!NEEDED.contains(&path) || fs::read(folder.join(path)).unwrap() == bytes, "{path}");
    }

    // The layout of huggingface_hub's cache.
    let repository = cache.path().join("models--org--name");
    assert_eq!(folder, repository.join("snapshots").join(&commit));
    assert_eq!(fs::read_to_string(repository.join("refs/main")).unwrap(), commit);
    // Equal files are one.
    assert_eq!(fs::read_dir(repository.join("blobs")).unwrap().count(), NEEDED.len() - 2);
    #[cfg(unix)]
    assert!(fs::read_link(folder.join("1_Dense/config.json")).unwrap().starts_with("../../../blobs"));
}

#[test]
fn what_is_there_is_not_fetched_again() {
    let (server, cache) = (Server::start(), tempfile::tempdir().unwrap());
    let first = server.add_model("org/name", &MODEL);
    let old = hub(&server, cache.path()).model(&id("org/name")).unwrap();
    server.forget();
    assert_eq!(hub(&server, cache.path()).model(&id("org/name")).unwrap(), old);
    assert_eq!(server.seen("").len(), 1, "what commit the branch is at");

    let second = server
        .state()
        .repository("models", "org/name")
        .commit("main", &[("config.json", b"{\"new\": 1}"), ("README.md", b"new")]);
    server.forget();
    let new = hub(&server, cache.path()).model(&id("org/name")).unwrap();
    assert!(new.ends_with(&second) && fs::read(new.join("config.json")).unwrap() == b"{\"new\": 1}");
    let fetched = server.seen("GET /resolve/");
    assert_eq!(fetched.len(), 1, "{fetched:?}");
    assert!(fetched[0].path.ends_with("config.json"));

    // A commit does not change: nothing is asked at all.
    server.forget();
    let pinned = id(&format!("org/name@{first}"));
    assert_eq!(hub(&server, cache.path()).model(&pinned).unwrap(), old);
    assert!(server.seen("").is_empty(), "{:?}", server.seen(""));
}

#[test]
fn branches_tags_and_commits_are_revisions() {
    let (server, cache) = (Server::start(), tempfile::tempdir().unwrap());
    let main = server.add_model("org/name", &MODEL);
    for branch in ["v1.0", "feature/x", "refs/pr/1"] {
        server.state().repository("models", "org/name").branches.insert(branch.to_owned(), main.clone());
        server.state().repository("models", "org/name").commit(branch, &[("config.json", branch.as_bytes())]);
    }
    let config = |name: &str| {
        let folder = hub(&server, cache.path()).model(&id(name)).unwrap();
        String::from_utf8(fs::read(folder.join("config.json")).unwrap()).unwrap()
    };
    assert_eq!(config("org/name@v1.0"), "v1.0");
    assert_eq!(config("org/name@feature/x"), "feature/x");
    assert_eq!(config("org/name@refs/pr/1"), "refs/pr/1");
    assert_eq!(config(&format!("org/name@{main}")), "{}");
    assert_eq!(config("org/name"), "{}");
}

#[test]
fn large_files_come_from_the_other_address_without_the_token() {
    let (server, cache) = (Server::start(), tempfile::tempdir().unwrap());
    server.add_model("org/name", &MODEL);
    server.state().repository("models", "org/name").private = true;
    let error = hub(&server, cache.path()).model(&id("org/name")).unwrap_err().to_string();
    assert!(error.contains("there is no such repository, or it is private"), "{error}");

    let with_token = hub(&server, cache.path()).with_token(Some(READ));
    assert_eq!(files(&with_token.model(&id("org/name")).unwrap()), NEEDED);
    let all = server.seen("");
    let (at_files, at_hub): (Vec<_>, Vec<_>) = all.iter().partition(|request| request.at_files);
    assert!(at_files.iter().any(|request| request.path.ends_with("1_Dense/model.safetensors")));
    assert!(at_files.iter().all(|request| request.token().is_none()));
    assert_eq!(at_hub.iter().filter(|request| request.token().is_none()).count(), 1, "the one without");
    assert!(at_hub.iter().all(|request| request.header("user-agent").starts_with("colburn/")));
}

#[test]
fn a_blob_is_called_what_git_calls_it() {
    let (server, cache) = (Server::start(), tempfile::tempdir().unwrap());
    server.add_model("org/name", &[("config.json", b"{}"), ("model.safetensors", b"weights")]);
    let folder = hub(&server, cache.path()).model(&id("org/name")).unwrap();
    let name = |path: &str| {
        let blob = folder.join(path).canonicalize().unwrap();
        blob.file_name().unwrap().to_str().unwrap().to_owned()
    };
    // Python calls the weights by the SHA-256 of their contents, 64 digits, which hf-hub does not tell.
    assert_eq!([name("config.json"), name("model.safetensors")].map(|name| name.len()), [40, 40]);
}

#[test]
fn names_that_are_paths_elsewhere_are_names_here() {
    let (server, cache) = (Server::start(), tempfile::tempdir().unwrap());
    let odd: [(&str, &[u8]); 4] = [
        ("config.json", b"{}"),
        ("model.safetensors", b"x"),
        ("runs/10:30.log", b"a colon"),
        ("runs/..\\up.log", b"a backslash"),
    ];
    server.add_model("org/name", &odd);
    let hub = hub(&server, cache.path());
    assert_eq!(files(&hub.model(&id("org/name")).unwrap()), ["config.json", "model.safetensors"]);
    let all = hub.snapshot(colburn::hub::RepoKind::Model, &id("org/name"), &["runs/*"]);
    match cfg!(windows) {
        true => assert!(all.unwrap_err().to_string().contains("this system can have no file of that name")),
        false => assert_eq!(files(&all.unwrap().join("runs")), ["..\\up.log", "10:30.log"]),
    }
}

#[test]
fn names_without_an_owner_are_names() {
    let (server, cache) = (Server::start(), tempfile::tempdir().unwrap());
    server.add_model("bert-base-uncased", &[("config.json", b"{}"), ("model.safetensors", b"x")]);
    let folder = hub(&server, cache.path()).model(&id("bert-base-uncased")).unwrap();
    assert!(folder.starts_with(cache.path().join("models--bert-base-uncased/snapshots")));
}

#[test]
fn weights_are_taken_in_the_best_form_that_there_is() {
    let index = br#"{"metadata": {}, "weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}"#;
    let shards: [(&str, &[u8]); 6] = [
        ("config.json", b"{}"),
        ("model.safetensors.index.json", index),
        ("model-00001-of-00002.safetensors", b"one"),
        ("model-00002-of-00002.safetensors", b"two"),
        ("other.safetensors", b"other"),
        ("pytorch_model.bin", b"pickled"),
    ];
    let fetched = |files_there: &[(&str, &[u8])]| {
        let (server, cache) = (Server::start(), tempfile::tempdir().unwrap());
        server.add_model("org/name", files_there);
        hub(&server, cache.path())
            .model(&id("org/name"))
            .map(|folder| files(&folder))
            .map_err(|error| error.to_string())
    };
    assert_eq!(
        fetched(&shards).unwrap(),
        [
            "config.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json"
        ]
    );
    assert_eq!(fetched(&[shards[0], shards[5]]).unwrap(), ["config.json", "pytorch_model.bin"]);
    // The encoder in a folder of its own, beside modules without weights.
    let modules = br#"[{"path": "0_Transformer"}, {"path": "1_Pooling"}]"#;
    let own: [(&str, &[u8]); 4] = [
        ("modules.json", modules),
        ("0_Transformer/config.json", b"{}"),
        ("0_Transformer/model.safetensors", b"x"),
        ("1_Pooling/config.json", b"{}"),
    ];
    assert_eq!(fetched(&own).unwrap().len(), 4);

    for (there, message) in [
        (
            &[shards[0], ("tf_model.h5", b"x")][..],
            "there is no model.safetensors; there are tf_model.h5, which are not read",
        ),
        (&[("README.md", b"x")], "there is neither config.json nor modules.json"),
        (&[shards[0], shards[1], shards[2]], "there is no file model-00002-of-00002.safetensors"),
        (
            &[shards[0], ("model.safetensors.index.json", b"{}")],
            "file model.safetensors.index.json: its weight_map names no file",
        ),
        (
            &[shards[0], ("model.safetensors.index.json", b"{\"weight_map\": {\"a\": \"../../config.json\"}}")],
            "there is no file ../../config.json",
        ),
        (&own[..2], "there is no 0_Transformer/model.safetensors"),
    ] {
        let error = fetched(there).unwrap_err();
        assert!(error.starts_with("model org/name, revision main") && error.contains(message), "{error}");
    }
}

#[test]
fn a_hub_shows_no_token() {
    let shown = format!("{:?}", Hub::from_env().with_token(Some(READ)));
    assert!(shown.contains("(token)") && !shown.contains(READ), "{shown}");
}
