//! Without a network: what has been downloaded is used, nothing is opened, and what is missing is named.

use std::{
    fs,
    time::{Duration, Instant, SystemTime},
};

use crate::{
    files, hub, id,
    server::{Fault, Server},
};

fn server() -> Server {
    let server = Server::start();
    let index = br#"{"weight_map": {"a": "a.safetensors"}}"#;
    server.add_model(
        "org/name",
        &[("config.json", b"{}"), ("model.safetensors.index.json", index), ("a.safetensors", b"x")],
    );
    let shards: [(&str, &[u8]); 2] =
        [("data/train-00000-of-00002.parquet", b"0"), ("data/train-00001-of-00002.parquet", b"1")];
    server.add_dataset("org/data", &shards);
    server
}

#[test]
fn offline_nothing_is_opened() {
    let (server, cache) = (server(), tempfile::tempdir().unwrap());
    let offline = hub(&server, cache.path()).with_offline(true);
    let error = offline.model(&id("org/name@v1")).unwrap_err().to_string();
    let place = cache.path().join("models--org--name");
    let expected = format!("model org/name, revision v1: it is not in the cache ({})", place.display());
    assert!(error.starts_with(&expected) && error.ends_with("(HF_HUB_OFFLINE)"), "{error}");
    let error = offline.clone().with_token(Some("t")).create_repo(&id("org/new"), None).unwrap_err().to_string();
    assert!(error.contains("HF_HUB_OFFLINE is set"), "{error}");

    let folder = hub(&server, cache.path()).model(&id("org/name")).unwrap();
    let rows = hub(&server, cache.path()).dataset(&id("org/data"), None, None).unwrap();
    server.forget();
    assert_eq!(offline.model(&id("org/name")).unwrap(), folder);
    assert_eq!(offline.dataset(&id("org/data"), None, Some("train")).unwrap(), rows);
    assert!(server.seen("").is_empty());
}

#[test]
fn what_the_hub_has_converted_is_found_again() {
    let (server, cache) = (Server::start(), tempfile::tempdir().unwrap());
    // With a file to fetch from the data set itself, and without one.
    for (name, files) in
        [("org/told", &[("README.md", &b"# zipped"[..]), ("all.zip", b"z")][..]), ("org/zip", &[("all.zip", b"z")])]
    {
        server.add_dataset(name, files);
        server
            .state()
            .repository("datasets", name)
            .commit("refs/convert/parquet", &[("default/train/0000.parquet", b"converted")]);
        let rows = hub(&server, cache.path()).dataset(&id(name), None, None).unwrap();
        server.forget();
        let offline = hub(&server, cache.path()).with_offline(true);
        assert_eq!(offline.dataset(&id(name), None, Some("train")).unwrap(), rows);
        assert!(server.seen("").is_empty());
    }
}

#[test]
fn a_cache_that_has_everything_is_only_read() {
    let (server, cache) = (server(), tempfile::tempdir().unwrap());
    let folder = hub(&server, cache.path()).model(&id("org/name")).unwrap();
    let repository = cache.path().join("models--org--name");
    let reference = repository.join("refs/main");
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    fs::File::options().write(true).open(&reference).unwrap().set_modified(long_ago).unwrap();
    // In the place of a folder there is a file: nothing can be written there, by nobody.
    fs::remove_dir_all(repository.join(".listings")).unwrap();
    fs::write(repository.join(".listings"), "").unwrap();
    assert_eq!(hub(&server, cache.path()).model(&id("org/name")).unwrap(), folder);
    assert_eq!(fs::metadata(&reference).unwrap().modified().unwrap(), long_ago, "it said so already");
    assert_eq!(hub(&server, cache.path()).with_offline(true).model(&id("org/name")).unwrap(), folder);
}

#[test]
fn who_has_the_files_does_not_wait_long() {
    let (server, cache) = (server(), tempfile::tempdir().unwrap());
    let folder = hub(&server, cache.path()).model(&id("org/name")).unwrap();
    let impatient = hub(&server, cache.path()).with_lookup_timeout(Duration::from_millis(200));
    let patient = hub(&server, cache.path()).with_first_wait(Duration::from_secs(3600));
    for (hub, fault) in [
        (&impatient, Fault::Late(Duration::from_secs(60))),
        (&patient, Fault::Status(429, vec![])),
        (&patient, Fault::Status(429, vec![("Retry-After", "200")])),
        (&patient, Fault::Drop),
    ] {
        server.forget();
        server.state().faults.clear();
        server.fail("/revision/", 99, fault);
        let begun = Instant::now();
        assert_eq!(hub.model(&id("org/name")).unwrap(), folder);
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        assert_eq!(server.seen("").len(), 1, "it is asked once");
    }
    // What is missing is fetched all the same.
    fs::remove_file(folder.join("a.safetensors")).unwrap();
    server.state().faults.clear();
    server.fail("/revision/", 1, Fault::Drop);
    assert_eq!(hub(&server, cache.path()).model(&id("org/name")).unwrap(), folder);
    assert_eq!(fs::read(folder.join("a.safetensors")).unwrap(), b"x");
}

#[test]
fn what_is_missing_is_named() {
    let (server, cache) = (server(), tempfile::tempdir().unwrap());
    let offline = hub(&server, cache.path()).with_offline(true);
    let folder = hub(&server, cache.path()).model(&id("org/name")).unwrap();
    let rows = hub(&server, cache.path()).dataset(&id("org/data"), None, None).unwrap();
    fs::remove_file(folder.join("a.safetensors")).unwrap();
    fs::remove_file(&rows[1]).unwrap();
    for known in [true, false] {
        // Other tools leave no listing: then there are the files that there are.
        if !known {
            for kind in ["models--org--name", "datasets--org--data"] {
                fs::remove_dir_all(cache.path().join(kind).join(".listings")).unwrap();
            }
        }
        let error = offline.model(&id("org/name")).unwrap_err().to_string();
        assert!(error.starts_with("model org/name, revision main") && error.contains("a.safetensors"), "{error}");
        assert!(error.contains("in the cache") && error.contains("HF_HUB_OFFLINE"), "{error}");
        let error = offline.dataset(&id("org/data"), None, None).unwrap_err().to_string();
        assert!(error.contains("data/train-00001-of-00002.parquet") && error.contains("in the cache"), "{error}");
    }
    let error =
        offline.snapshot(colburn::hub::RepoKind::Dataset, &id("org/data"), &["corpus/*"]).unwrap_err().to_string();
    assert!(error.contains("there is no file corpus/* in the cache"), "{error}");
}

#[test]
fn a_cache_that_another_tool_has_filled_will_do() {
    let (server, cache) = (server(), tempfile::tempdir().unwrap());
    let folder = hub(&server, cache.path()).model(&id("org/name")).unwrap();
    fs::remove_dir_all(cache.path().join("models--org--name/.listings")).unwrap();
    let offline = hub(&server, cache.path()).with_offline(true);
    assert_eq!(offline.model(&id("org/name")).unwrap(), folder);
    // With a network what is there is not fetched again either.
    server.forget();
    assert_eq!(hub(&server, cache.path()).model(&id("org/name")).unwrap(), folder);
    assert!(server.seen("/resolve/").is_empty());
    assert_eq!(files(&folder), ["a.safetensors", "config.json", "model.safetensors.index.json"]);
}

#[test]
fn when_the_hub_is_down_the_cache_is_used() {
    let (server, cache) = (server(), tempfile::tempdir().unwrap());
    server.fail("/revision/", 99, Fault::Drop);
    let error = hub(&server, cache.path()).model(&id("org/name")).unwrap_err().to_string();
    assert!(error.contains("the connection to http://"), "{error}");

    server.state().faults.clear();
    let folder = hub(&server, cache.path()).model(&id("org/name")).unwrap();
    for fault in [Fault::Drop, Fault::Status(503, vec![]), Fault::Status(429, vec![])] {
        server.state().faults.clear();
        server.fail("/revision/", 99, fault);
        assert_eq!(hub(&server, cache.path()).model(&id("org/name")).unwrap(), folder);
    }
    // A refusal is no outage.
    server.state().faults.clear();
    server.state().repositories.clear();
    assert!(hub(&server, cache.path()).model(&id("org/name")).is_err());
}
