//! The hub's answers to writing requests: repositories, branches, and commits of files in base64. It has no place for files outside of git, as
//! plain servers of the protocol have none.

use serde_json::{Value, json};

use super::{
    PUSH, WRITE,
    http::{Answer, Request},
    repositories::{Repository, State, is_large, name_of},
};

fn may_write(request: &Request) -> Result<(), Answer> {
    match request.token() {
        Some(WRITE | PUSH) => Ok(()),
        Some(_) => Err(Answer::error(403, "", "You don't have the rights to write to this repository")),
        None => Err(Answer::error(401, "", "Invalid username or password.")),
    }
}

pub fn create(state: &mut State, request: &Request) -> Answer {
    match request.token() {
        Some(WRITE) => {}
        Some(_) => return Answer::error(403, "", "You don't have the rights to create a model under this namespace"),
        None => return Answer::error(401, "", "Invalid username or password."),
    }
    let body = request.json();
    let name =
        format!("{}/{}", body["organization"].as_str().unwrap_or("ada"), body["name"].as_str().unwrap_or_default());
    let key = ("models".to_owned(), name.clone());
    if state.repositories.contains_key(&key) {
        return Answer::error(409, "", "You already created this model repo");
    }
    let mut repository = Repository { private: body["private"] == true, ..Default::default() };
    repository.commit("main", &[(".gitattributes", b"*.safetensors filter=lfs")]);
    state.repositories.insert(key, repository);
    Answer::json(json!({"url": format!("{}/{name}", state.endpoint), "name": name}))
}

/// Answers with the files that do not go through git.
pub fn preupload(request: &Request) -> Answer {
    if let Err(answer) = may_write(request) {
        return answer;
    }
    let body = request.json();
    let mode = |file: &Value| {
        let path = file["path"].as_str().unwrap_or_default();
        json!({"path": path, "uploadMode": if is_large(path) { "lfs" } else { "regular" }})
    };
    let files: Vec<Value> = body["files"].as_array().into_iter().flatten().map(mode).collect();
    Answer::json(json!({ "files": files }))
}

/// The ways past git that the server has: Git LFS's own, to addresses that nobody here uses.
pub fn batch(request: &Request) -> Answer {
    if let Err(answer) = may_write(request) {
        return answer;
    }
    let body = request.json();
    Answer::json(json!({"transfer": "basic", "objects": body["objects"]}))
}

pub fn branch(repository: &mut Repository, name: &str, request: &Request) -> Answer {
    if let Err(answer) = may_write(request) {
        return answer;
    }
    if repository.branches.contains_key(name) {
        return Answer::error(409, "", "Reference already exists");
    }
    let Some(main) = repository.branches.get("main").cloned() else { return Answer::error(404, "", "it is empty") };
    repository.branches.insert(name.to_owned(), main);
    Answer::json(json!({}))
}

/// Lines of JSON: a header, then files.
pub fn commit(endpoint: &str, repository: &mut Repository, name: &str, revision: &str, request: &Request) -> Answer {
    if let Err(answer) = may_write(request) {
        return answer;
    }
    if !repository.branches.contains_key(revision) {
        return Answer::error(404, "RevisionNotFound", &format!("Invalid rev id: {revision}"));
    }
    let mut changes = Vec::new();
    for line in request.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let line: Value = serde_json::from_slice(line).expect("a line of JSON");
        let (key, value) = (line["key"].as_str().unwrap_or_default(), &line["value"]);
        let path = value["path"].as_str().unwrap_or_default().to_owned();
        match key {
            "header" => repository.messages.push(value["summary"].as_str().unwrap_or_default().to_owned()),
            "file" => changes.push((path, Some(decoded(value["content"].as_str().unwrap_or_default())))),
            "deletedFile" => changes.push((path, None)),
            other => return Answer::error(400, "", &format!("{other} of {path}: it was not uploaded")),
        }
    }
    let commit = repository.change(revision, changes);
    let url = format!("{endpoint}/{name}/commit/{commit}");
    Answer::json(json!({"success": true, "commitOid": commit, "commitUrl": url, "hookOutput": name_of(b"")}))
}

/// Base64.
fn decoded(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits: Vec<u32> = text
        .bytes()
        .filter_map(|byte| DIGITS.iter().position(|digit| *digit == byte))
        .map(|digit| digit as u32)
        .collect();
    let mut bytes = Vec::new();
    for four in digits.chunks(4) {
        let value = four.iter().fold(0, |value, digit| value << 6 | digit) << (6 * (4 - four.len()));
        bytes.extend(&value.to_be_bytes()[1..four.len()]);
    }
    bytes
}
