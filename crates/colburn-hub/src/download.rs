//! One file from the hub into the cache. A file comes in pieces, each by a request of its own, and what has come stays: a download that was
//! cut off, also by the end of the process, goes on where it was. hf-hub's own download would begin anew, and would take the page of an error,
//! or half a file, for the file.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::{
    Hub, Result,
    cache::RepoFile,
    failure::Asked,
    hub::{at_repository, io},
    listing::{Listing, OFFLINE},
};

/// The first piece; the next one is larger if it came quickly, and smaller if it took long, for a lost connection loses a piece.
const FIRST_PIECE: u64 = 8 << 20;
const LARGEST_PIECE: u64 = 64 << 20;
const SMALLEST_PIECE: u64 = 1 << 20;
const QUICK: Duration = Duration::from_secs(5);
const SLOW: Duration = Duration::from_secs(60);
/// How often it is told how far a download is.
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// A file that takes no time is not worth a line.
const WORTH_TELLING: u64 = 10 << 20;

impl Hub {
    /// The place of a file in the cache, where it is brought unless it is there.
    pub(crate) fn fetch(&self, listing: &Listing, path: &str) -> Result<PathBuf> {
        let asked = listing.asked.file(path);
        let Some(file) = listing.file(path) else { return Err(listing.error(format!("there is no file {path}"))) };
        if !file.is_storable() {
            return Err(asked.error("this system can have no file of that name"));
        }
        let pointer = listing.folder().join(path);
        if has_size(&pointer, file.size) {
            return Ok(pointer);
        }
        if !listing.online {
            return Err(asked.offline(format!("it is not in the cache ({}); {OFFLINE}", pointer.display())));
        }
        let _locked = listing.cached.lock(&file.blob)?;
        // Who had the lock before may have fetched it.
        if has_size(&pointer, file.size) {
            return Ok(pointer);
        }
        let blob = listing.cached.blob(&file.blob);
        if !has_size(&blob, file.size) {
            self.download(listing, file, &asked, &blob)?;
        }
        listing.cached.link(&listing.commit, file)
    }

    fn download(&self, listing: &Listing, file: &RepoFile, asked: &Asked, blob: &Path) -> Result<()> {
        let parent = blob.parent().unwrap_or(blob);
        fs::create_dir_all(parent).map_err(io(parent))?;
        // Not the name of huggingface_hub's unfinished files: what another program has begun, by rules of its own, is not gone on with.
        let unfinished = parent.join(format!("{}.colburn.incomplete", file.blob));
        let mut output = fs::OpenOptions::new().create(true).append(true).open(&unfinished).map_err(io(&unfinished))?;
        let mut done = output.metadata().map_err(io(&unfinished))?.len();
        if done > file.size {
            output.set_len(0).map_err(io(&unfinished))?;
            done = 0;
        }
        match (done, file.size >= WORTH_TELLING) {
            (0, true) => tracing::info!("{}: downloading {}", asked.what(), megabytes(file.size)),
            (1.., true) => {
                tracing::info!("{}: going on after {} of {}", asked.what(), megabytes(done), megabytes(file.size));
            }
            (_, false) => {}
        }
        let (mut piece, mut told) = (FIRST_PIECE, Instant::now());
        while done < file.size {
            let end = file.size.min(done + piece);
            let begun = Instant::now();
            let bytes = self.piece(listing, file, asked, done..end)?;
            if bytes.len() as u64 == file.size && done > 0 {
                // A server that knows no ranges sends the whole file.
                output.set_len(0).map_err(io(&unfinished))?;
                done = 0;
            }
            output.write_all(&bytes).map_err(io(&unfinished))?;
            // Else a machine that goes down may leave a file of the right length without the contents.
            output.sync_data().map_err(io(&unfinished))?;
            done += bytes.len() as u64;
            piece = match begun.elapsed() {
                took if took < QUICK => LARGEST_PIECE.min(piece * 2),
                took if took > SLOW => SMALLEST_PIECE.max(piece / 2),
                _ => piece,
            };
            if told.elapsed() >= TOLD_EVERY {
                told = Instant::now();
                tracing::info!("{}: {} of {}", asked.what(), megabytes(done), megabytes(file.size));
            }
        }
        output.sync_all().map_err(io(&unfinished))?;
        let written = output.metadata().map_err(io(&unfinished))?.len();
        if written != file.size {
            output.set_len(0).map_err(io(&unfinished))?;
            let (size, place) = (file.size, unfinished.display());
            return Err(asked.error(format!(
                "{place} has {written} bytes where the hub has {size}: does another program write to it? try it again"
            )));
        }
        fs::rename(&unfinished, blob).map_err(io(blob))
    }

    /// The bytes of a range of a file, or all of it if the server knows no ranges.
    fn piece(
        &self,
        listing: &Listing,
        file: &RepoFile,
        asked: &Asked,
        range: std::ops::Range<u64>,
    ) -> Result<impl AsRef<[u8]> + std::ops::Deref<Target = [u8]> + use<>> {
        let (kind, id, commit, path) = (listing.kind, listing.id.clone(), listing.commit.clone(), file.path.clone());
        let (size, wanted) = (file.size, range.end - range.start);
        let part = (wanted < size).then_some(range);
        let bytes = self.ask_soon(asked, move |client| {
            at_repository!(client, kind, id, repository => {
                let request = repository.download_file_to_bytes().filename(path.as_str()).revision(commit.as_str());
                request.maybe_range(part.clone()).send()
            })
        })?;
        if bytes.len() as u64 == wanted || bytes.len() as u64 == size {
            return Ok(bytes);
        }
        let came = bytes.len();
        Err(asked
            .error(format!("{came} bytes came where the hub has {wanted}; is there a proxy between? try it again")))
    }
}

fn has_size(path: &Path, size: u64) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == size)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
