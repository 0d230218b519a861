//! What is said when the hub refuses or fails: which repository, revision and file it was, and what to do. And how long it is tried.

use std::time::{Duration, Instant};

use crate::{
    hub, id,
    server::{Fault, READ, Server},
};

/// A hub with a model, which fails in a way.
fn server(words: &str, times: usize, fault: Fault) -> Server {
    let server = Server::start();
    server.add_model("org/name", &[("config.json", b"{}"), ("model.safetensors", b"weights")]);
    server.fail(words, times, fault);
    server
}

fn error(server: &Server, name: &str, token: Option<&str>) -> String {
    let cache = tempfile::tempdir().unwrap();
    hub(server, cache.path()).with_token(token).model(&id(name)).unwrap_err().to_string()
}

#[test]
fn refusals_say_what_to_do() {
    let nothing = || server("nothing", 0, Fault::Drop);
    let gated = || {
        let server = nothing();
        server.state().repository("models", "org/name").gated = true;
        server
    };
    let status = |status| server("HEAD config.json", 9, Fault::Status(status, vec![]));
    for (server, name, token, beginning, advice) in [
        (
            nothing(),
            "org/nam",
            None,
            "model org/nam, revision main: ",
            "there is no such repository, or it is private: check the name, or set HF_TOKEN, or log in",
        ),
        (
            nothing(),
            "org/nam",
            Some(READ),
            "model org/nam, revision main: ",
            "there is no such repository, or the token's account may not see it",
        ),
        (nothing(), "org/name@v9", None, "model org/name, revision v9: ", "it has no such revision; http://127.0.0.1"),
        (gated(), "org/name", None, "model org/name, revision main, file config.json: ", "org/name, and set HF_TOKEN"),
        (
            gated(),
            "org/name",
            Some(READ),
            "model org/name, revision main, file config.json: ",
            "use a token of the account that was let in",
        ),
        (
            nothing(),
            "org/name",
            Some("hf_expired"),
            "model org/name, revision main: ",
            "the hub did not accept the token (401); has it expired?",
        ),
        (
            status(403),
            "org/name",
            Some(READ),
            "model org/name, revision main, file config.json: ",
            "the hub forbids it (403)",
        ),
        (
            status(404),
            "org/name",
            Some(READ),
            "model org/name, revision main, file config.json: ",
            "it has no such file; http://127.0.0.1",
        ),
        (status(418), "org/name", None, "model org/name, revision main, file config.json: ", "the hub refused (418)"),
    ] {
        let error = error(&server, name, token);
        assert!(error.starts_with(beginning), "{error}\n{beginning}");
        assert!(error.contains(advice), "{error}\n{advice}");
        assert!(!error.contains('\n') && !error.contains("hf_"), "{error}");
    }
}

#[test]
fn a_hub_that_is_busy_or_broken_is_asked_again() {
    let cut = Fault::Cut(0);
    for fault in [
        Fault::Status(429, vec![]),
        Fault::Status(500, vec![]),
        Fault::Status(502, vec![]),
        Fault::Status(503, vec![]),
        Fault::Drop,
        cut,
    ] {
        for words in ["GET /revision/", "GET /tree/", "GET config.json", "GET /models/ model.safetensors"] {
            let (server, cache) = (server(words, 3, fault.clone()), tempfile::tempdir().unwrap());
            hub(&server, cache.path())
                .model(&id("org/name"))
                .unwrap_or_else(|error| panic!("{words} {fault:?}: {error}"));
        }
    }
}

#[test]
fn it_is_not_asked_forever() {
    for (fault, message) in [
        (
            Fault::Status(429, vec![]),
            "too many requests (429), also after waiting; try it again later, or set HF_TOKEN",
        ),
        (
            Fault::Status(503, vec![]),
            "the hub has failed (503), several times; try it again later; the hub says: told to fail",
        ),
        (Fault::Drop, "the connection to http://127.0.0.1"),
    ] {
        let server = server("GET /tree/", 99, fault.clone());
        let error = error(&server, "org/name", None);
        assert!(error.starts_with("model org/name, revision main: ") && error.contains(message), "{error}");
        assert_eq!(server.seen("GET /tree/").len(), 5, "{fault:?}");
    }
}

#[test]
fn a_wait_that_the_hub_asks_for_is_kept() {
    let cache = tempfile::tempdir().unwrap();
    let server = server("GET /revision/", 1, Fault::Status(429, vec![("Retry-After", "1")]));
    let begun = Instant::now();
    hub(&server, cache.path()).model(&id("org/name")).unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));

    // But not for hours.
    server.fail("GET /revision/", 1, Fault::Status(429, vec![("Retry-After", "7200")]));
    let begun = Instant::now();
    let error = error(&server, "org/name", None);
    assert!(error.contains("too many requests (429)") && begun.elapsed() < Duration::from_secs(60), "{error}");
}

#[test]
fn too_many_requests_take_a_longer_wait() {
    let took = |fault: Fault| {
        let (server, cache) = (server("GET /revision/", 2, fault), tempfile::tempdir().unwrap());
        let begun = Instant::now();
        hub(&server, cache.path()).with_first_wait(Duration::from_millis(20)).model(&id("org/name")).unwrap();
        begun.elapsed()
    };
    // Twenty milliseconds and forty, times forty.
    assert!(took(Fault::Status(429, vec![])) >= Duration::from_millis(2400));
    assert!(took(Fault::Status(503, vec![])) < Duration::from_millis(2400));
}

#[test]
fn a_page_for_people_is_no_answer() {
    for words in ["GET /revision/", "GET /tree/"] {
        let error = error(&server(words, 9, Fault::Html), "org/name", None);
        assert!(error.contains("is not that of a hub"), "{error}");
        assert!(error.contains("HF_ENDPOINT") && error.contains("login page of a network"), "{error}");
    }
    let error = error(&server("GET config.json", 9, Fault::Html), "org/name", None);
    assert!(error.contains("file config.json: ") && error.contains("bytes came where the hub has 2"), "{error}");
}

#[test]
fn an_address_without_a_hub_is_named() {
    let server = Server::start();
    let cache = tempfile::tempdir().unwrap();
    let error = |endpoint: &str| {
        let hub = hub(&server, cache.path()).with_endpoint(endpoint);
        hub.model(&id("org/name")).unwrap_err().to_string()
    };
    let closed = error("http://127.0.0.1:9");
    assert!(closed.contains("no connection to http://127.0.0.1:9 ("), "{closed}");
    assert!(closed.contains("HF_HUB_OFFLINE=1"), "{closed}");
    let wrong = error("not an address");
    assert!(wrong.contains("\"not an address\" is not an address (HF_ENDPOINT)"), "{wrong}");
}

#[test]
fn a_hub_that_lies_writes_nowhere_else() {
    const TREE: &str = r#"[{"type": "file", "oid": "aa", "size": 2, "path": "config.json"},
        {"type": "file", "oid": "bb", "size": 2, "path": "../../../../escaped.json"}]"#;
    const BLOB: &str = r#"[{"type": "file", "oid": "../../../escaped", "size": 2, "path": "config.json"}]"#;
    const COMMIT: &str = r#"{"_id": "1", "id": "org/name", "sha": "../../../escaped"}"#;
    const NO_COMMIT: &str = r#"{"_id": "1", "id": "org/name"}"#;
    for (words, json, message) in [
        ("GET /tree/", TREE, "the hub lists a file \"../../../../escaped.json\", which leads out of the repository"),
        ("GET /tree/", BLOB, "leads out of the repository"),
        ("GET /revision/", COMMIT, "the hub says that it is at commit \"../../../escaped\", which is none"),
        ("GET /revision/", NO_COMMIT, "the hub says that it is at commit \"\", which is none"),
    ] {
        let error = error(&server(words, 1, Fault::Json(json)), "org/name", None);
        assert!(error.contains(message), "{error}");
    }
}
