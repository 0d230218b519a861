//! Large files: in pieces, and going on where it was.

use std::{fs, io::Write, thread, time::Duration};

use colburn::hub::Hub;

use crate::{
    hub, id,
    server::{Fault, Server},
};

const MEGABYTE: usize = 1 << 20;
/// A third of them is the first piece.
const SIZE: usize = 25 * MEGABYTE + 7;

/// A model with large weights of which no two parts are alike.
fn large() -> (Server, Vec<u8>) {
    let weights: Vec<u8> = (0..SIZE as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let server = Server::start();
    server.add_model("org/name", &[("config.json", b"{}"), ("model.safetensors", &weights)]);
    (server, weights)
}

fn ranges(server: &Server) -> Vec<String> {
    let gets = server.seen("GET model.safetensors");
    gets.iter().filter(|request| request.at_files).map(|request| request.header("range").to_owned()).collect()
}

fn fetch(hub: &Hub) -> Result<Vec<u8>, String> {
    let folder = hub.model(&id("org/name")).map_err(|error| error.to_string())?;
    Ok(fs::read(folder.join("model.safetensors")).unwrap())
}

#[test]
fn a_large_file_comes_in_pieces() {
    let ((server, weights), cache) = (large(), tempfile::tempdir().unwrap());
    assert!(fetch(&hub(&server, cache.path())).unwrap() == weights);
    let last = SIZE - 1;
    assert_eq!(ranges(&server), ["bytes=0-8388607", "bytes=8388608-25165823", &format!("bytes=25165824-{last}")]);
}

#[test]
fn what_was_cut_off_goes_on_where_it_was() {
    let ((server, weights), cache) = (large(), tempfile::tempdir().unwrap());
    // After the first piece the connection ends within each answer, until the process gives up.
    server.fail("GET /resolve/ model.safetensors", 1, Fault::Late(crate::server::SOON));
    server.fail("GET /models/ model.safetensors", 1, Fault::Late(crate::server::SOON));
    server.fail("GET /models/ model.safetensors", 5, Fault::Cut(100_000));
    let error = fetch(&hub(&server, cache.path())).unwrap_err();
    assert!(
        error.starts_with("model org/name, revision main, file model.safetensors: the connection to http://"),
        "{error}"
    );
    assert!(error.ends_with("; try it again"), "{error}");
    let blobs = cache.path().join("models--org--name/blobs");
    let unfinished = |blobs: &std::path::Path| {
        let mut entries = fs::read_dir(blobs).unwrap().flatten();
        entries.find(|entry| entry.file_name().to_str().unwrap().ends_with(".incomplete")).map(|entry| entry.path())
    };
    assert_eq!(fs::metadata(unfinished(&blobs).unwrap()).unwrap().len(), 8 << 20);

    // Another process, as it were.
    server.forget();
    assert!(fetch(&hub(&server, cache.path())).unwrap() == weights);
    assert_eq!(ranges(&server)[0], "bytes=8388608-16777215");
    assert_eq!(unfinished(&blobs), None);
}

#[test]
fn a_connection_that_is_cut_once_is_made_again() {
    let ((server, weights), cache) = (large(), tempfile::tempdir().unwrap());
    server.fail("GET /models/ model.safetensors", 2, Fault::Cut(MEGABYTE));
    assert!(fetch(&hub(&server, cache.path())).unwrap() == weights);
}

#[test]
fn a_server_without_ranges_sends_it_all() {
    let ((server, weights), cache) = (large(), tempfile::tempdir().unwrap());
    server.fail("GET /models/ model.safetensors", 9, Fault::NoRanges);
    assert!(fetch(&hub(&server, cache.path())).unwrap() == weights);
    assert_eq!(ranges(&server).len(), 1);

    // Also where it is to go on.
    let cache = tempfile::tempdir().unwrap();
    server.state().faults.clear();
    server.fail("GET /models/ model.safetensors", 1, Fault::Late(crate::server::SOON));
    server.fail("GET /models/ model.safetensors", 1, Fault::NoRanges);
    assert!(fetch(&hub(&server, cache.path())).unwrap() == weights);
}

#[test]
fn a_file_of_the_wrong_length_is_not_taken() {
    for (fault, came) in [(Fault::Short(1000), "1000 bytes came"), (Fault::Html, "bytes came")] {
        let ((server, weights), cache) = (large(), tempfile::tempdir().unwrap());
        server.fail("GET /models/ model.safetensors", 1, fault);
        let error = fetch(&hub(&server, cache.path())).unwrap_err();
        assert!(error.contains("file model.safetensors: ") && error.contains(came), "{error}");
        assert!(error.contains("where the hub has 8388608"), "{error}");
        assert!(fetch(&hub(&server, cache.path())).unwrap() == weights);
    }
}

#[test]
fn what_is_no_beginning_of_a_file_is_not_gone_on_with() {
    let ((server, weights), cache) = (large(), tempfile::tempdir().unwrap());
    assert!(fetch(&hub(&server, cache.path())).unwrap() == weights);
    let pointer = hub(&server, cache.path()).model(&id("org/name")).unwrap().join("model.safetensors");
    let blob = pointer.canonicalize().unwrap();
    // The file is damaged, and so is what is left of an earlier download.
    fs::write(&blob, b"damaged").unwrap();
    fs::write(blob.with_extension("colburn.incomplete"), vec![0; SIZE + 1]).unwrap();
    assert!(fetch(&hub(&server, cache.path())).unwrap() == weights);

    // Nor with what another program has begun.
    fs::write(&blob, b"damaged").unwrap();
    let others = blob.with_extension("incomplete");
    fs::write(&others, vec![0; MEGABYTE]).unwrap();
    assert!(fetch(&hub(&server, cache.path())).unwrap() == weights);
    assert_eq!(fs::metadata(&others).unwrap().len(), MEGABYTE as u64);
}

#[test]
fn a_file_that_somebody_else_has_written_to_is_not_taken() {
    let ((server, weights), cache) = (large(), tempfile::tempdir().unwrap());
    server.fail("GET /models/ model.safetensors", 1, Fault::Late(crate::server::SOON));
    server.fail("GET /models/ model.safetensors", 1, Fault::Late(Duration::from_secs(2)));
    let blobs = cache.path().join("models--org--name/blobs");
    let error = thread::scope(|scope| {
        let fetching = scope.spawn(|| fetch(&hub(&server, cache.path())).unwrap_err());
        let mut half = loop {
            let mut entries = fs::read_dir(&blobs).into_iter().flatten().flatten();
            let path = entries.find(|entry| entry.file_name().to_str().unwrap().ends_with(".colburn.incomplete"));
            match path {
                Some(entry) if entry.metadata().is_ok_and(|metadata| metadata.len() == 8 << 20) => {
                    break fs::File::options().append(true).open(entry.path()).unwrap();
                }
                _ => thread::sleep(Duration::from_millis(5)),
            }
            assert!(!fetching.is_finished(), "it did not wait for the second piece");
        };
        half.write_all(b"others").unwrap();
        fetching.join().unwrap()
    });
    assert!(error.contains(&format!("has {} bytes where the hub has {SIZE}", SIZE + 6)), "{error}");
    assert!(error.contains("does another program write to it? try it again"), "{error}");
    assert!(fetch(&hub(&server, cache.path())).unwrap() == weights, "it begins anew");
}

#[test]
fn several_may_fetch_at_once() {
    let ((server, weights), cache) = (large(), tempfile::tempdir().unwrap());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(fetch(&hub(&server, cache.path())).unwrap() == weights));
        }
    });
    assert_eq!(ranges(&server).len(), 3, "one of them fetched it, the others waited");
}
