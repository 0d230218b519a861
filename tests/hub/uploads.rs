//! Uploads: repositories are made, and folders go into them in one commit each.

use std::fs;

use colburn::hub::{Error, UploadOptions};

use crate::{
    hub, id,
    server::{Fault, PUSH, READ, Server, WRITE},
};

/// A folder of a model, with large files and small ones.
fn folder() -> (tempfile::TempDir, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let weights: Vec<u8> = (0..100_003_u32).map(|at| (at.wrapping_mul(at) >> 7) as u8).collect();
    let files: [(&str, &[u8]); 5] = [
        ("config.json", b"{}"),
        ("model.safetensors", &weights),
        ("1_Dense/model.safetensors", b"dense"),
        ("checkpoint-5/model.safetensors", b"old"),
        (".git/HEAD", b"x"),
    ];
    for (path, bytes) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    (folder, weights)
}

fn ignoring(patterns: &[&str]) -> UploadOptions {
    UploadOptions { ignore_patterns: patterns.iter().map(|text| (*text).to_owned()).collect(), ..Default::default() }
}

#[test]
fn a_repository_is_made_once() {
    let (server, cache) = (Server::start(), tempfile::tempdir().unwrap());
    let hub = hub(&server, cache.path()).with_token(Some(WRITE));
    assert_eq!(hub.create_repo(&id("org/name"), Some(true)).unwrap(), id("org/name"));
    assert_eq!(hub.create_repo(&id("org/name"), None).unwrap(), id("org/name"));
    // Without an owner it is the token's.
    assert_eq!(hub.create_repo(&id("mine@v1"), None).unwrap(), id("ada/mine@v1"));
    assert_eq!(hub.create_repo(&id("mine"), None).unwrap(), id("ada/mine"));
    let state = server.state();
    let private = |name: &str| state.repositories[&("models".to_owned(), name.to_owned())].private;
    assert!(private("org/name") && !private("ada/mine"));
}

#[test]
fn a_folder_goes_into_one_commit() {
    let (server, cache) = (Server::start(), tempfile::tempdir().unwrap());
    let (folder, weights) = folder();
    let hub = hub(&server, cache.path()).with_token(Some(WRITE));
    let id = hub.create_repo(&id("org/name"), None).unwrap();
    let options = UploadOptions { commit_message: Some("End of training".to_owned()), ..ignoring(&["checkpoint-*"]) };
    let address = hub.upload_folder(&id, folder.path(), options).unwrap();
    let checkpoint = UploadOptions { path_in_repo: Some("last-checkpoint".to_owned()), ..Default::default() };
    hub.upload_folder(&id, folder.path().join("checkpoint-5"), checkpoint).unwrap();
    {
        let state = server.state();
        let repository = &state.repositories[&("models".to_owned(), "org/name".to_owned())];
        let files: Vec<&str> = repository.main().keys().map(String::as_str).collect();
        assert_eq!(
            files,
            [
                ".gitattributes",
                "1_Dense/model.safetensors",
                "config.json",
                "last-checkpoint/model.safetensors",
                "model.safetensors"
            ]
        );
        assert!(repository.main()["model.safetensors"] == weights, "they came through base64");
        assert_eq!(repository.messages, ["End of training", "Upload folder using colburn"]);
        let commit = address.strip_prefix(&format!("{}/org/name/commit/", server.endpoint)).unwrap();
        assert!(repository.commits.contains_key(commit));
    }
    // And back.
    let model = hub.model(&id).unwrap();
    assert!(fs::read(model.join("model.safetensors")).unwrap() == weights);
    // A snapshot of the cache is made of links, which are followed.
    let copy = hub.create_repo(&"org/copy".parse().unwrap(), None).unwrap();
    hub.upload_folder(&copy, &model, UploadOptions::default()).unwrap();
    let state = server.state();
    assert!(state.repositories[&("models".to_owned(), "org/copy".to_owned())].main()["model.safetensors"] == weights);
}

#[test]
fn another_branch_is_made_first() {
    let (server, cache) = (Server::start(), tempfile::tempdir().unwrap());
    let (folder, _) = folder();
    let hub = hub(&server, cache.path()).with_token(Some(WRITE));
    let id = hub.create_repo(&id("org/name"), None).unwrap();
    let options = || UploadOptions { revision: Some("v2".to_owned()), ..Default::default() };
    let error = hub.upload_folder(&id, folder.path(), options()).unwrap_err().to_string();
    assert!(error.starts_with("model org/name, revision v2: it has no such revision; "), "{error}");
    for _ in 0..2 {
        hub.create_branch(&id, "v2").unwrap();
    }
    hub.upload_folder(&id, folder.path(), options()).unwrap();
    let mut state = server.state();
    let repository = state.repository("models", "org/name");
    assert_eq!((repository.main().len(), repository.at("v2").unwrap().1.len()), (1, 5));
}

#[test]
fn refusals_say_what_to_do() {
    let (server, cache) = (Server::start(), tempfile::tempdir().unwrap());
    let (folder, _) = folder();
    let hub = hub(&server, cache.path());
    let upload = |token: Option<&str>, name: &str| {
        hub.clone()
            .with_token(token)
            .upload_folder(&id(name), folder.path(), UploadOptions::default())
            .unwrap_err()
            .to_string()
    };
    let create = |token: Option<&str>, name: &str| hub.clone().with_token(token).create_repo(&id(name), None);
    for error in [upload(None, "org/name"), create(None, "org/name").unwrap_err().to_string()] {
        assert_eq!(
            error,
            "model org/name, revision main: uploading takes a token with write access: set HF_TOKEN, or log in with `hf auth login`"
        );
    }
    assert!(server.seen("").is_empty(), "nobody was asked");
    let error = create(Some(READ), "org/name").unwrap_err().to_string();
    assert!(error.contains("the token does not allow it (403); one with write access"), "{error}");
    assert!(error.contains("the hub says: You don't have the rights to create a model"), "{error}");
    assert!(
        upload(Some(WRITE), "org/nam").contains("there is no such repository"),
        "{}",
        upload(Some(WRITE), "org/nam")
    );

    // It may be there already, made by somebody who was allowed to.
    create(Some(WRITE), "org/name").unwrap();
    let made = server.state().repository("models", "org/name").branches.clone();
    assert_eq!(create(Some(PUSH), "org/name").unwrap(), id("org/name"));
    let error = create(Some(READ), "org/name").unwrap_err().to_string();
    assert!(error.contains("the token does not allow it (403); one with write access"), "{error}");
    assert!(error.contains("the hub says: You don't have the rights to write to this repository"), "{error}");
    assert_eq!(server.state().repository("models", "org/name").branches, made, "asking changes nothing");
    assert!(create(Some(PUSH), "org/absent").unwrap_err().to_string().contains("the rights to create a model"));
    assert!(upload(Some(READ), "org/name").contains("the token does not allow it (403)"));
    assert!(upload(Some("hf_expired"), "org/name").contains("has it expired?"));
    assert!(!upload(Some("hf_expired"), "org/name").contains("hf_expired"), "the server says it back");

    let nothing = tempfile::tempdir().unwrap();
    let with_token = hub.clone().with_token(Some(WRITE));
    let error = with_token.upload_folder(&id("org/name"), nothing.path(), UploadOptions::default()).unwrap_err();
    assert!(error.to_string().contains("has no file to upload"), "{error}");
    let error =
        with_token.upload_folder(&id("org/name"), nothing.path().join("absent"), UploadOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    let out = UploadOptions { path_in_repo: Some("../other".to_owned()), ..Default::default() };
    let error = with_token.upload_folder(&id("org/name"), folder.path(), out).unwrap_err().to_string();
    assert!(error.contains("path_in_repo = \"../other\" is not a folder of a repository"), "{error}");
}

#[test]
fn an_upload_is_tried_again() {
    let (server, cache) = (Server::start(), tempfile::tempdir().unwrap());
    let (folder, weights) = folder();
    let hub = hub(&server, cache.path()).with_token(Some(WRITE));
    let id = hub.create_repo(&id("org/name"), None).unwrap();
    for words in ["POST /preupload/", "POST objects/batch", "POST /commit/"] {
        for fault in [Fault::Status(503, vec![]), Fault::Status(429, vec![("Retry-After", "0")]), Fault::Drop] {
            server.state().faults.clear();
            server.fail(words, 2, fault.clone());
            hub.upload_folder(&id, folder.path(), UploadOptions::default())
                .unwrap_or_else(|error| panic!("{words} {fault:?}: {error}"));
        }
    }
    assert!(server.state().repository("models", "org/name").main()["model.safetensors"] == weights);
    server.fail("POST /commit/", 99, Fault::Status(503, vec![]));
    let error = hub.upload_folder(&id, folder.path(), UploadOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
}
