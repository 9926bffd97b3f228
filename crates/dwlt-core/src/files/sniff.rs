//! Recognises files of other formats by their first bytes, for messages that say what was found.

/// Bytes from the start of a file that [`remark`] needs.
pub const NEEDED: usize = 512;

/// What a file is that begins so, in words that follow its path: a download that failed, a
/// pointer of Git LFS, or a format that is known by its first bytes. None for all others,
/// safetensors among them.
#[must_use]
pub fn remark(start: &[u8]) -> Option<&'static str> {
    const KINDS: [(&[u8], &str); 17] = [
        (b"PK\x03\x04", "is a zip archive (torch.save and numpy.savez write such)"),
        (b"PK\x05\x06", "is an empty zip archive"),
        (b"\x80\x02", "is a pickle (torch.save wrote such before PyTorch 1.6)"),
        (b"\x80\x03", "is a pickle"),
        (b"\x80\x04", "is a pickle"),
        (b"\x80\x05", "is a pickle"),
        (b"\x1f\x8b", "is compressed with gzip: unpack it first"),
        (b"BZh", "is compressed with bzip2: unpack it first"),
        (b"\xfd7zXZ\0", "is compressed with xz: unpack it first"),
        (b"\x28\xb5\x2f\xfd", "is compressed with Zstandard: unpack it first"),
        (b"7z\xbc\xaf\x27\x1c", "is a 7z archive: unpack it first"),
        (b"Rar!", "is a RAR archive: unpack it first"),
        (b"\x93NUMPY", "is a NumPy array (.npy)"),
        (b"\x89HDF", "is an HDF5 file, as Keras writes them"),
        (b"GGUF", "is a GGUF file"),
        (b"PAR1", "is a Parquet file"),
        (b"%PDF", "is a PDF document"),
    ];
    // A tar archive names itself after its first entry's header fields.
    if start.get(257..262) == Some(b"ustar") {
        return Some("is a tar archive: unpack it first");
    }
    // Safetensors begin with the length of their header, and that may look like anything else.
    if start.get(4..9) == Some(b"\0\0\0\0{") {
        return None;
    }
    // Servers and editors may put a byte order mark or blank lines first.
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    let begins =
        |with: &[u8]| text.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
    if begins(b"version https://git-lfs") {
        return Some("is a Git LFS pointer: the file it stands for was not fetched (git lfs pull)");
    }
    if begins(b"<!doctype") || begins(b"<html") || begins(b"<head") || begins(b"<!--") {
        return Some("is a web page: the download failed");
    }
    if begins(b"<?xml") || begins(b"<error") {
        return Some("is an XML document, perhaps a server's error message: the download failed");
    }
    if begins(b"{\"error") || begins(b"{\"message") {
        return Some("is a server's error message: the download failed");
    }
    KINDS.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, remark)| *remark)
}

#[cfg(test)]
mod tests {
    use super::remark;

    #[test]
    fn kinds_are_told_apart() {
        for (start, expected) in [
            (&b"version https://git-lfs.github.com/spec/v1\n"[..], "Git LFS pointer"),
            (b"\xef\xbb\xbf\r\n\r\n<!DOCTYPE html>", "web page"),
            (b"<HTML><body>", "web page"),
            (b"<?xml version=\"1.0\"?><Error>", "XML"),
            (b"{\"error\": \"Repository not found\"}", "error message"),
            (b"\x1f\x8b\x08\0", "gzip"),
            (b"PK\x03\x04", "zip"),
        ] {
            assert!(remark(start).is_some_and(|said| said.contains(expected)), "{expected}");
        }
        let mut tar = vec![b'a'; 512];
        tar[257..262].copy_from_slice(b"ustar");
        assert_eq!(remark(&tar), Some("is a tar archive: unpack it first"));
    }

    #[test]
    fn safetensors_are_nothing_else_whatever_the_length_of_their_header() {
        // 0x3c is "<", 0x80 begins pickles: both are lengths of headers too.
        for start in [b"\x3c\0\0\0\0\0\0\0{\"a\"", b"\x80\x02\0\0\0\0\0\0{\"a\""] {
            assert_eq!(remark(start), None);
        }
        assert_eq!(remark(b""), None);
    }
}
