//! The target of embeddings: one file, or a folder of shards, in the format that a name or an option tells.

use std::fs;
use std::path::{Path, PathBuf};

use super::manifest::{self, Settings, Shard, ShardManifest};
use colburn::search::Dtype;

use crate::command_line::{EncodeArguments, FormatArgument};
use crate::output::{self, Pending};
use crate::{Error, Result};

const SHARD_SIZE: usize = 10_000;

/// The target that `--output`, `--format`, `--dtype`, `--shard-size` and `--resume` describe together.
#[derive(Debug)]
pub struct Target {
    pub path: PathBuf,
    pub format: FormatArgument,
    /// Texts a shard; none for one file.
    pub shard_size: Option<usize>,
}

impl Target {
    /// A name that ends in `.safetensors` or `.parquet` is a file's, any other one a folder's.
    pub fn of(arguments: &EncodeArguments) -> Result<Self> {
        let path = &arguments.output;
        let refuse = |message: &str| Err(Error::Texts { path: path.clone(), message: message.to_owned() });
        let of_name = match path.extension().and_then(|extension| extension.to_str()) {
            Some("safetensors") => Some(FormatArgument::Safetensors),
            Some("parquet") => Some(FormatArgument::Parquet),
            _ => None,
        };
        let of_name = if path.is_dir() { None } else { of_name };
        if let (Some(named), Some(format)) = (of_name, arguments.format)
            && named != format
        {
            return refuse("--format asks for another format than the name of the file; leave one of them out");
        }
        let format = arguments.format.or(of_name).unwrap_or(FormatArgument::Safetensors);
        let shard_size = match (of_name, arguments.shard_size) {
            (None, size) => Some(size.map_or(SHARD_SIZE, usize::from)),
            (Some(_), Some(_)) => return refuse("--shard-size is for a folder of shards, but this names one file"),
            (Some(_), None) if arguments.resume => {
                return refuse("--resume resumes a folder of shards, but this names one file");
            }
            (Some(_), None) => None,
        };
        if shard_size.is_some() && path.is_file() {
            return refuse(
                "a folder for shards would be here, but it is a file; the name of one file ends in .safetensors or .parquet",
            );
        }
        if matches!((format, arguments.dtype), (FormatArgument::Parquet, Dtype::F16)) {
            return refuse("f16 is not written to Parquet; use --dtype f32 or int8, or --format safetensors");
        }
        Ok(Self { path: path.clone(), format, shard_size })
    }

    /// Makes sure that something can be written there.
    pub fn prepare(&self) -> Result<()> {
        // Any file below a folder that need not be there yet.
        let file = if self.shard_size.is_some() { self.path.join(manifest::NAME) } else { self.path.clone() };
        output::prepare(&file)
    }

    /// The file of a shard.
    pub fn file(&self, shard: usize) -> PathBuf {
        match self.shard_size {
            Some(_) => self.path.join(format!("embeddings-{shard:05}.{}", self.format.name())),
            None => self.path.clone(),
        }
    }

    /// The manifest to resume from, and the shards that need not be made: none at all but for `--resume`. A folder with anything in it is
    /// refused without it.
    pub fn begin(&self, model: &Path, settings: Settings, resume: bool) -> Result<(ShardManifest, Vec<Option<Shard>>)> {
        let folder = &self.path;
        let refuse = |message: String| Err(Error::Texts { path: folder.clone(), message });
        let empty = is_empty(folder)?;
        if !empty && !resume {
            return refuse("the folder is not empty; resume it with --resume, or delete it".to_owned());
        }
        let mut manifest = match ShardManifest::read(folder)? {
            Some(manifest) => match manifest.difference(&settings) {
                Some(difference) => {
                    let message = format!(
                        "cannot resume: {difference} (see {}); encode as before, or delete the folder",
                        manifest::NAME
                    );
                    return refuse(message);
                }
                None => manifest,
            },
            None if empty => ShardManifest::new(model, settings),
            None => {
                let message = format!("cannot resume: there is no {} in the folder; delete it", manifest::NAME);
                return refuse(message);
            }
        };
        Pending::remove_leftovers(folder)?;
        let done = manifest.whole_shards(folder);
        if !manifest.complete || done.contains(&None) {
            manifest.complete = false;
            manifest.write(folder)?;
        }
        Ok((manifest, done))
    }
}

/// True if a folder holds nothing, or only leftovers of runs that were killed early.
fn is_empty(folder: &Path) -> Result<bool> {
    let unreadable = |source| Error::Read { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        if !output::is_unfinished(&entry.map_err(unreadable)?) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::command_line::{Command, CommandLine};

    fn target(arguments: &str) -> std::result::Result<Target, String> {
        let line = format!("colburn encode --model m --input t --kind document {arguments}");
        let Command::Encode(arguments) = CommandLine::try_parse_from(line.split_whitespace()).unwrap().command else {
            unreachable!()
        };
        Target::of(&arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn a_name_tells_a_file_from_a_folder() {
        let of = |arguments: &str| target(arguments).map(|target| (target.format, target.shard_size)).unwrap();
        assert_eq!(of("--output a.safetensors"), (FormatArgument::Safetensors, None));
        assert_eq!(of("--output a.parquet"), (FormatArgument::Parquet, None));
        assert_eq!(of("--output a"), (FormatArgument::Safetensors, Some(10_000)));
        assert_eq!(of("--output a/ --format parquet --shard-size 7"), (FormatArgument::Parquet, Some(7)));
        let shard = |arguments: &str| target(arguments).unwrap().file(12).to_string_lossy().into_owned();
        assert_eq!(shard("--output a/b"), "a/b/embeddings-00012.safetensors");
        assert_eq!(shard("--output a --format parquet"), "a/embeddings-00012.parquet");
        assert_eq!(shard("--output a.parquet"), "a.parquet");
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (arguments, part) in [
            ("--output a.parquet --format safetensors", "a.parquet: --format asks for another format"),
            ("--output a.safetensors --shard-size 5", "a.safetensors: --shard-size is for a folder"),
            ("--output a.safetensors --resume", "a.safetensors: --resume resumes a folder"),
            ("--output a.parquet --dtype f16", "use --dtype f32 or int8, or --format safetensors"),
            ("--output Cargo.toml", "Cargo.toml: a folder for shards would be here, but it is a file"),
        ] {
            let message = target(arguments).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }
}
