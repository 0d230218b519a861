//! The download of files into the cache. Each piece of a file is a request of its own, and finished pieces stay on disk: a download that was
//! interrupted, even by the end of the process, resumes after the last piece. hf-hub's own download starts again, and accepts an error page or
//! half a file as the file.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::{
    Hub, RepoId, RepoKind, Result,
    cache::RepoFile,
    error::io,
    failure::Resource,
    hub::at_repository,
    listing::{Listing, OFFLINE},
    pattern::Pattern,
};

/// The size of the first piece. The next one is larger after a fast piece and smaller after a slow one, because a lost connection loses a piece.
const FIRST_PIECE: u64 = 8 << 20;
const LARGEST_PIECE: u64 = 64 << 20;
const SMALLEST_PIECE: u64 = 1 << 20;
const QUICK: Duration = Duration::from_secs(5);
const SLOW: Duration = Duration::from_secs(60);
/// The interval of progress messages.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);
/// The smallest file with progress messages.
const SMALLEST_WITH_PROGRESS: u64 = 10 << 20;

impl Hub {
    /// Fetches the files of a repository that match one of the patterns (`corpus/*`, `**/*.parquet`), and returns their folder. It may have
    /// other files that were fetched before.
    ///
    /// # Errors
    /// When a pattern matches no file, and as [`Hub::model`].
    pub fn snapshot(&self, kind: RepoKind, id: &RepoId, patterns: &[&str]) -> Result<PathBuf> {
        let listing = self.list(kind, id)?;
        for pattern in patterns {
            let glob = Pattern::glob(pattern);
            let mut files = listing.files.iter().filter(|file| glob.matches(&file.path)).peekable();
            if files.peek().is_none() {
                return Err(listing.error(format!("there is no file {pattern}")));
            }
            files.try_for_each(|file| self.fetch(&listing, &file.path).map(drop))?;
        }
        listing.remember();
        Ok(listing.folder())
    }

    /// Fetches a file unless it is in the cache, and returns its path there.
    pub(crate) fn fetch(&self, listing: &Listing, path: &str) -> Result<PathBuf> {
        let resource = listing.resource.file(path);
        let Some(file) = listing.file(path) else { return Err(listing.error(format!("there is no file {path}"))) };
        if !file.is_storable() {
            return Err(resource.error("this system can have no file of that name"));
        }
        let pointer = listing.folder().join(path);
        if has_size(&pointer, file.size) {
            return Ok(pointer);
        }
        if !listing.online {
            return Err(resource.offline(format!("it is not in the cache ({}); {OFFLINE}", pointer.display())));
        }
        let _locked = listing.cached.lock(&file.blob)?;
        // The previous holder of the lock may have fetched it.
        if has_size(&pointer, file.size) {
            return Ok(pointer);
        }
        let blob = listing.cached.blob(&file.blob);
        if !has_size(&blob, file.size) {
            self.download(listing, file, &resource, &blob)?;
        }
        listing.cached.link(&listing.commit, file)
    }

    fn download(&self, listing: &Listing, file: &RepoFile, resource: &Resource, blob: &Path) -> Result<()> {
        let parent = blob.parent().unwrap_or(blob);
        fs::create_dir_all(parent).map_err(io(parent))?;
        // Not the name of huggingface_hub's unfinished files: a download of another program, with rules of its own, is not resumed.
        let unfinished = parent.join(format!("{}.colburn.incomplete", file.blob));
        let mut output = fs::OpenOptions::new().create(true).append(true).open(&unfinished).map_err(io(&unfinished))?;
        let mut done = output.metadata().map_err(io(&unfinished))?.len();
        if done > file.size {
            output.set_len(0).map_err(io(&unfinished))?;
            done = 0;
        }
        match (done, file.size >= SMALLEST_WITH_PROGRESS) {
            (0, true) => tracing::info!("{}: downloading {}", resource.what(), megabytes(file.size)),
            (1.., true) => {
                tracing::info!("{}: resuming after {} of {}", resource.what(), megabytes(done), megabytes(file.size));
            }
            (_, false) => {}
        }
        let (mut piece, mut told) = (FIRST_PIECE, Instant::now());
        while done < file.size {
            let end = file.size.min(done + piece);
            let begun = Instant::now();
            let bytes = self.piece(listing, file, resource, done..end)?;
            if bytes.len() as u64 == file.size && done > 0 {
                // A server without ranges sends the whole file.
                output.set_len(0).map_err(io(&unfinished))?;
                done = 0;
            }
            output.write_all(&bytes).map_err(io(&unfinished))?;
            // Without it, a machine that crashes may leave a file of the right length without its content.
            output.sync_data().map_err(io(&unfinished))?;
            done += bytes.len() as u64;
            piece = match begun.elapsed() {
                took if took < QUICK => LARGEST_PIECE.min(piece * 2),
                took if took > SLOW => SMALLEST_PIECE.max(piece / 2),
                _ => piece,
            };
            if told.elapsed() >= PROGRESS_INTERVAL {
                told = Instant::now();
                tracing::info!("{}: {} of {}", resource.what(), megabytes(done), megabytes(file.size));
            }
        }
        output.sync_all().map_err(io(&unfinished))?;
        let written = output.metadata().map_err(io(&unfinished))?.len();
        if written != file.size {
            output.set_len(0).map_err(io(&unfinished))?;
            let (size, place) = (file.size, unfinished.display());
            return Err(resource.error(format!(
                "{place} has {written} bytes where the hub has {size}: does another program write to it? try it again"
            )));
        }
        fs::rename(&unfinished, blob).map_err(io(blob))
    }

    /// The bytes of a range of a file, or the whole file if the server does not support ranges.
    fn piece(
        &self,
        listing: &Listing,
        file: &RepoFile,
        resource: &Resource,
        range: std::ops::Range<u64>,
    ) -> Result<impl AsRef<[u8]> + std::ops::Deref<Target = [u8]> + use<>> {
        let (kind, id, commit, path) = (listing.kind, listing.id.clone(), listing.commit.clone(), file.path.clone());
        let (size, wanted) = (file.size, range.end - range.start);
        let part = (wanted < size).then_some(range);
        let bytes = self.ask_soon(resource, move |client| {
            at_repository!(client, kind, id, repository => {
                let request = repository.download_file_to_bytes().filename(path.as_str()).revision(commit.as_str());
                request.maybe_range(part.clone()).send()
            })
        })?;
        if bytes.len() as u64 == wanted || bytes.len() as u64 == size {
            return Ok(bytes);
        }
        let came = bytes.len();
        Err(resource
            .error(format!("{came} bytes came where the hub has {wanted}; is there a proxy between? try it again")))
    }
}

fn has_size(path: &Path, size: u64) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == size)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
