//! The answers of the hub to reading requests.

use serde_json::{Value, json};

use super::{
    PUSH, READ, WRITE,
    http::{Answer, Request},
    repositories::{Repository, State, is_large, name_of},
    uploads,
};

pub fn answer(state: &mut State, request: &Request) -> Answer {
    let parts: Vec<&str> = request.path.trim_matches('/').split('/').collect();
    if request.at_files {
        return large_file(state, request, &parts);
    }
    if request.token().is_some_and(|token| ![PUSH, READ, WRITE].contains(&token)) {
        return Answer::error(
            401,
            "",
            &format!("Invalid credentials in Authorization header: {}", request.header("authorization")),
        );
    }
    match (request.method.as_str(), &parts[..]) {
        ("GET", ["api", "whoami-v2"]) => match request.token() {
            Some(_) => Answer::json(
                json!({"type": "user", "name": "ada", "fullname": "Ada", "auth": {"type": "access_token"}}),
            ),
            None => Answer::error(401, "", "Invalid username or password."),
        },
        ("POST", ["api", "repos", "create"]) => uploads::create(state, request),
        ("POST", [.., "objects", "batch"]) => uploads::batch(request),
        (_, ["api", kind @ ("models" | "datasets"), rest @ ..]) => api(state, request, kind, rest),
        ("GET" | "HEAD", path) => resolve(state, request, path),
        _ => Answer::error(404, "", "there is nothing"),
    }
}

/// `api/models/{id}/…`: the name has one part or two.
fn api(state: &mut State, request: &Request, kind: &str, rest: &[&str]) -> Answer {
    const VERBS: [&str; 6] = ["revision", "tree", "preupload", "commit", "branch", "paths-info"];
    let verb = rest.iter().skip(1).position(|part| VERBS.contains(part)).map_or(rest.len(), |at| at + 1);
    let name = rest[..verb].join("/");
    let revision = rest.get(verb + 1..).unwrap_or_default().join("/");
    let Some(repository) = state.repositories.get_mut(&(kind.to_owned(), name.clone())) else {
        return no_repository(request);
    };
    if repository.private && request.token().is_none() {
        return no_repository(request);
    }
    let verb = rest.get(verb).copied().unwrap_or("info");
    match (request.method.as_str(), verb) {
        ("POST", "preupload") => uploads::preupload(request),
        ("POST", "commit") => uploads::commit(&state.endpoint, repository, &name, &revision, request),
        ("POST", "branch") => uploads::branch(repository, &revision, request),
        ("GET", "info") => Answer::json(json!({"_id": "1", "id": name, "private": repository.private})),
        ("GET", "revision") => match repository.at(&revision) {
            Some((commit, _)) => {
                Answer::json(json!({"_id": "1", "id": name, "sha": commit, "private": repository.private}))
            }
            None => no_revision(&revision),
        },
        ("GET", "tree") => tree(&state.endpoint, state.page, repository, &revision, request),
        _ => Answer::error(405, "", "it is not done that way"),
    }
}

/// A page of the files at a revision, with the folders that the hub names too.
fn tree(endpoint: &str, page: usize, repository: &Repository, revision: &str, request: &Request) -> Answer {
    let Some((_, files)) = repository.at(revision) else { return no_revision(revision) };
    let file = |(path, bytes): (&String, &Vec<u8>)| {
        let mut entry = json!({"type": "file", "oid": name_of(bytes), "size": bytes.len(), "path": path});
        if is_large(path) {
            let (hash, size) = (format!("{0}{0}", &name_of(bytes)[..32]), bytes.len());
            entry["oid"] = name_of(format!("oid sha256:{hash} size {size}").as_bytes()).into();
            entry["lfs"] = json!({"oid": hash, "size": size, "pointerSize": 130});
        }
        entry
    };
    let mut entries = vec![json!({"type": "directory", "oid": name_of(b"folder"), "size": 0, "path": "1_Dense"})];
    entries.extend(files.iter().map(file));
    let cursor =
        request.query.split('&').find_map(|pair| pair.strip_prefix("cursor=")?.parse::<usize>().ok()).unwrap_or(0);
    let end = entries.len().min(cursor + page);
    let answer = Answer::json(Value::Array(entries[cursor..end].to_vec()));
    if end == entries.len() {
        return answer;
    }
    answer.header(
        "Link",
        format!("<{endpoint}{}?recursive=true&cursor={end}>; rel=\"next\"", request.path.replace(' ', "%20")),
    )
}

/// `[datasets/]{id}/resolve/{revision}/{path}`: the file, or where it is.
fn resolve(state: &State, request: &Request, path: &[&str]) -> Answer {
    let (kind, path) = match path {
        ["datasets", rest @ ..] => ("datasets", rest),
        _ => ("models", path),
    };
    let Some(at) = path.iter().position(|part| *part == "resolve") else {
        return Answer::error(404, "", "there is no page");
    };
    let name = path[..at].join("/");
    let Some(repository) = state.repositories.get(&(kind.to_owned(), name.clone())) else {
        return no_repository(request);
    };
    if repository.private && request.token().is_none() {
        return no_repository(request);
    }
    if repository.gated {
        let status = if request.token().is_some() { 403 } else { 401 };
        return Answer::error(status, "GatedRepo", &format!("Access to model {name} is restricted."));
    }
    let (revision, file) =
        (path.get(at + 1).copied().unwrap_or_default(), path.get(at + 2..).unwrap_or_default().join("/"));
    let Some((commit, files)) = repository.at(revision) else { return no_revision(revision) };
    let Some(bytes) = files.get(&file) else { return Answer::error(404, "EntryNotFound", "Entry not found") };
    if is_large(&file) {
        let place = format!("{}/{kind}/{name}/{commit}/{file}", state.files).replace(' ', "%20");
        let hash = format!("\"{0}{0}\"", &name_of(bytes)[..32]);
        let answer = Answer::new(302).header("Location", place).header("X-Repo-Commit", commit);
        return answer.header("X-Linked-ETag", hash).header("X-Linked-Size", bytes.len());
    }
    contents(request, bytes).header("ETag", format!("\"{}\"", name_of(bytes))).header("X-Repo-Commit", commit)
}

/// The other address, where a signature in the address takes the place of the token.
fn large_file(state: &State, request: &Request, parts: &[&str]) -> Answer {
    if request.headers.contains_key("authorization") {
        return Answer::error(400, "", "Only one auth mechanism allowed");
    }
    let found = state.repositories.iter().find_map(|((kind, name), repository)| {
        let rest = parts.join("/");
        let (commit, file) = rest.strip_prefix(&format!("{kind}/{name}/"))?.split_once('/')?;
        repository.commits.get(commit)?.get(file)
    });
    found.map_or_else(|| Answer::error(404, "", "no such key"), |bytes| contents(request, bytes))
}

/// The bytes, or the range of them that was asked for.
fn contents(request: &Request, bytes: &[u8]) -> Answer {
    let range = request.header("range").strip_prefix("bytes=").and_then(|range| range.split_once('-'));
    let range = range.and_then(|(first, last)| Some((first.parse::<usize>().ok()?, last.parse::<usize>().ok()?)));
    let mut answer = match range {
        Some((first, last)) if first < bytes.len() => {
            let last = last.min(bytes.len() - 1);
            let answer = Answer::new(206).header("Content-Range", format!("bytes {first}-{last}/{}", bytes.len()));
            Answer { body: bytes[first..=last].to_vec(), ..answer }
        }
        Some(_) => Answer::new(416),
        None => Answer { body: bytes.to_vec(), ..Answer::new(200) },
    };
    if request.method == "HEAD" {
        answer = answer.header("Content-Length", bytes.len());
    }
    answer.header("Accept-Ranges", "bytes")
}

/// To a stranger the hub does not say whether there is a private one of that name.
fn no_repository(request: &Request) -> Answer {
    match request.token() {
        None => Answer::error(401, "RepoNotFound", "Invalid username or password."),
        Some(_) => Answer::error(404, "RepoNotFound", "Repository not found"),
    }
}

fn no_revision(revision: &str) -> Answer {
    Answer::error(404, "RevisionNotFound", &format!("Invalid rev id: {revision}"))
}
