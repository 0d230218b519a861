//! The kind of a file by its first bytes.

use std::path::Path;

use crate::source::Format;
use crate::source::format::{Compression, ending};

/// The verdict of the first bytes of a file.
#[derive(Debug, PartialEq)]
pub(super) enum Content {
    /// Certainly this format.
    Is(Format),
    /// Certainly no data: the kind of file, and the way to one that can be read.
    Foreign(&'static str, &'static str),
    /// A text that may be of any format; true if its first line is a JSON object.
    Text { json: bool },
}

const AGAIN: &str = "expected data; save it as Parquet, JSON Lines or CSV";
const MARK: &[u8] = b"\xef\xbb\xbf";

pub(super) fn compression(head: &[u8]) -> Option<Compression> {
    match head {
        [0x1f, 0x8b, 8, ..] => Some(Compression::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Compression::Zstd),
        // A block begins with the digits of pi; a file without blocks ends with those of its root.
        [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..]
            if rest.starts_with(b"1AY&SY") || rest.starts_with(b"\x17\x72\x45\x38\x50\x90") =>
        {
            Some(Compression::Bzip2)
        }
        _ => None,
    }
}

pub(super) fn recognise(path: &Path, head: &[u8]) -> Content {
    const MAGIC: [(&[u8], &str, &str); 17] = [
        (
            b"version https://git-lfs.github.com/spec/",
            "a Git LFS pointer, not the file itself",
            "fetch the file with `git lfs pull`",
        ),
        (b"PARE", "an encrypted Parquet file", "expected one without encryption"),
        (b"FEA1", "a Feather file of version 1", "save it again as Feather of version 2 (Arrow IPC) or as Parquet"),
        (b"%PDF", "a PDF", AGAIN),
        (b"SQLite format 3\0", "an SQLite database", "export the table as CSV"),
        (b"\x89HDF", "an HDF5 file", AGAIN),
        (b"Obj\x01", "an Avro file", AGAIN),
        (b"ORC", "an ORC file", AGAIN),
        (b"\x93NUMPY", "a NumPy array", AGAIN),
        (b"\xfd7zXZ\0", "a file compressed by xz", "decompress it, or compress it by gzip, zstd or bzip2"),
        (b"\x04\x22\x4d\x18", "a file compressed by lz4", "decompress it, or compress it by gzip, zstd or bzip2"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it and name the files in it"),
        (b"Rar!\x1a\x07", "a RAR archive", "unpack it and name the files in it"),
        (b"\xff\xfe\0\0", "a text in UTF-32", "save it in UTF-8"),
        (b"\xff\xfe", "a text in UTF-16", "save it in UTF-8"),
        (b"\xfe\xff", "a text in UTF-16", "save it in UTF-8"),
        (b"\xd0\xcf\x11\xe0", "an old Excel or Office file", "save the table as CSV in UTF-8"),
    ];
    // An ORC file goes on with binary data; a CSV may have a column of this name.
    let is_binary = head.contains(&0);
    if let Some((_, kind, advice)) =
        MAGIC.iter().find(|(magic, ..)| head.starts_with(magic) && (*magic != b"ORC" || is_binary))
    {
        return Content::Foreign(kind, advice);
    }
    match head {
        [b'P', b'A', b'R', b'1', ..] => return Content::Is(Format::Parquet),
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] | [0xff, 0xff, 0xff, 0xff, ..] => return Content::Is(Format::Arrow),
        [b'P', b'K', 3 | 5, 4 | 6, ..] => return zip(path),
        [0x80, 2..=5, ..] => {
            return Content::Foreign("a pickle, which can run any code", AGAIN);
        }
        _ => {}
    }
    if head.get(8) == Some(&b'{') && head[..8].contains(&0) {
        return Content::Foreign("a safetensors file: weights or embeddings", "expected texts");
    }
    if head.get(257..262) == Some(b"ustar") {
        return Content::Foreign("a tar archive", "unpack it and name the files in it");
    }
    if is_binary {
        return Content::Foreign(
            "binary data of an unknown kind",
            "expected Parquet, Arrow, JSON, CSV or text in UTF-8",
        );
    }
    let text = head.strip_prefix(MARK).unwrap_or(head).trim_ascii_start();
    let starts = |word: &str| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()));
    if starts("<!doctype html") || starts("<html") {
        return Content::Foreign("a web page (HTML)", "download the file itself, not the page that shows it");
    }
    if starts("<?xml") {
        return Content::Foreign("an XML file", AGAIN);
    }
    Content::Text { json: is_object(text) }
}

fn zip(path: &Path) -> Content {
    let (kind, advice) = match ending(path).as_str() {
        "xlsx" | "xlsm" => ("an Excel workbook", "save the sheet as CSV in UTF-8"),
        "ods" => ("a spreadsheet", "save the sheet as CSV in UTF-8"),
        "npz" => ("NumPy arrays", AGAIN),
        "pt" | "pth" | "bin" | "ckpt" => ("a file of PyTorch", AGAIN),
        _ => ("a ZIP archive", "unpack it and name the files in it"),
    };
    Content::Foreign(kind, advice)
}

/// True if the first line is a whole JSON object.
fn is_object(text: &[u8]) -> bool {
    let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    line.starts_with(b"{") && serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell_the_kind() {
        let is = Content::Is;
        for (name, head, expected) in [
            ("a.csv", &b"PAR1\x15\x04"[..], is(Format::Parquet)),
            ("a", b"ARROW1\0\0", is(Format::Arrow)),
            ("a", b"\xff\xff\xff\xff\x10\0\0\0", is(Format::Arrow)),
            ("a.csv", b"\xef\xbb\xbfquery,positive\n", Content::Text { json: false }),
            ("a.csv", b" {\"query\": 1}\nx", Content::Text { json: true }),
            ("a.csv", b"{query}", Content::Text { json: false }),
            ("a.csv", b"ORC,x\n", Content::Text { json: false }),
            ("a.json", b"[\n{", Content::Text { json: false }),
        ] {
            assert_eq!(recognise(Path::new(name), head), expected, "{}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn other_files_are_named() {
        let mut tar = vec![b'x'; 512];
        tar[257..262].copy_from_slice(b"ustar");
        for (name, head, expected) in [
            ("a.parquet", &b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"[..], "Git LFS"),
            ("a.json", b"\n<!DOCTYPE HTML>\n<html>", "web page"),
            ("a.csv", b"<html>", "web page"),
            ("a.json", b"<?xml version='1.0'?>", "XML"),
            ("a.xlsx", b"PK\x03\x04\x14\0", "Excel"),
            ("a.csv", b"PK\x03\x04\x14\0", "ZIP"),
            ("a.npz", b"PK\x03\x04\x14\0", "NumPy"),
            ("a.pt", b"PK\x03\x04\x14\0", "PyTorch"),
            ("a.pkl", b"\x80\x04\x95", "pickle"),
            ("a", b"\x10\0\0\0\0\0\0\0{\"x\":1}", "safetensors"),
            ("a", b"%PDF-1.7", "PDF"),
            ("a.csv", b"\xff\xfeq\0,\0", "UTF-16"),
            ("a.csv", b"\xfe\xff\0q", "UTF-16"),
            ("a.csv", b"a\0b", "binary"),
            ("a.orc", b"ORC\0\x01", "ORC"),
            ("a.tar", &tar, "tar"),
        ] {
            let Content::Foreign(kind, advice) = recognise(Path::new(name), head) else { panic!("{name} {expected}") };
            assert!(kind.contains(expected) && !advice.is_empty(), "{kind}: {expected}");
        }
    }

    #[test]
    fn compressions_are_told_by_their_bytes() {
        for (head, expected) in [
            (&b"\x1f\x8b\x08\0"[..], Some(Compression::Gzip)),
            (b"\x28\xb5\x2f\xfd\x04", Some(Compression::Zstd)),
            (b"BZh91AY&SY", Some(Compression::Bzip2)),
            (b"BZh9,positive", None),
            (b"query", None),
            (b"", None),
        ] {
            assert_eq!(compression(head), expected);
        }
    }
}
