//! What is written to disk and how it is read back.

pub mod apply;
pub mod atomic;
pub mod checkpoint;
pub mod mask_file;
pub mod safetensors;
pub mod sniff;

mod entries;

use std::fs::File;

/// Fills `bytes` from a place of the file, whatever other threads read.
pub(crate) fn read_at(file: &File, bytes: &mut [u8], at: u64) -> std::io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_exact_at(file, bytes, at);
    #[cfg(windows)]
    {
        let mut done = 0;
        while done < bytes.len() {
            let place = at + done as u64;
            match std::os::windows::fs::FileExt::seek_read(file, &mut bytes[done..], place)? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                n => done += n,
            }
        }
        Ok(())
    }
}
