//! What a file that is not safetensors probably is instead.

/// A remark for the error message, from the file's first bytes.
pub(crate) fn remark(start: &[u8]) -> Option<&'static str> {
    const KINDS: [(&[u8], &str); 9] = [
        (b"PK\x03\x04", "this is a zip archive (torch.save and .npz write such)"),
        (b"\x80\x02", "this is a pickle (an old torch.save writes such)"),
        (b"\x80\x03", "this is a pickle"),
        (b"\x80\x04", "this is a pickle"),
        (b"\x80\x05", "this is a pickle"),
        (b"version https://git-lfs", "this is a Git LFS pointer, not the file it stands for"),
        (b"\x1f\x8b", "this is gzip-compressed"),
        (b"\x93NUMPY", "this is a NumPy array file"),
        (b"\x89HDF", "this is an HDF5 file"),
    ];
    let text = start.trim_ascii_start();
    if text.starts_with(b"<!") || text.starts_with(b"<html") || text.starts_with(b"<HTML") {
        return Some("this is an HTML page, perhaps from a failed download");
    }
    KINDS.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, remark)| *remark)
}
