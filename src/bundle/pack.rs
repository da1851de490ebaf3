//! Several files made one: an uncompressed zip whose bytes follow from the files alone.

use std::io::{self, Cursor, Write};

use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::BundleError;

/// Packs files under their names, in the order given, without compression, times or other attributes, so that
/// the same files always give the same bytes. Every zip reader opens it, [`super::Bundle`] included.
pub fn pack(files: &[(&str, &[u8])]) -> Result<Vec<u8>, BundleError> {
    let room = files.iter().map(|(name, bytes)| bytes.len() + 2 * name.len() + 128).sum();
    let mut writer = ZipWriter::new(Cursor::new(Vec::with_capacity(room)));
    for (name, bytes) in files {
        writer.start_file(*name, options()).map_err(damaged)?;
        writer.write_all(bytes)?;
    }
    Ok(writer.finish().map_err(damaged)?.into_inner())
}

/// Writes an uncompressed zip as a stream, so that its files may be larger than the memory.
pub struct Packer<W: Write>(ZipWriter<StreamWriter<W>>);

impl<W: Write> Packer<W> {
    /// Begins a zip.
    pub fn new(out: W) -> Self {
        Self(ZipWriter::new_stream(out))
    }

    /// Ends the file before, and begins one of this name.
    pub fn begin(&mut self, name: &str) -> Result<(), BundleError> {
        self.0.start_file(name, options().large_file(true)).map_err(damaged)
    }

    /// Writes the zip's directory. Without it no program opens the zip.
    pub fn finish(self) -> Result<(), BundleError> {
        self.0.finish().map(drop).map_err(damaged)
    }
}

impl<W: Write> Write for Packer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn damaged(error: zip::result::ZipError) -> BundleError {
    BundleError::DamagedZip { reason: error.to_string() }
}

fn options() -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o600)
}

#[cfg(test)]
mod tests {
    use super::super::Bundle;
    use super::*;

    #[test]
    fn what_is_packed_comes_out_the_same_and_so_do_the_bytes() {
        let files: [(&str, &[u8]); 3] =
            [("s.jsonl", b"{}\n"), ("s/subagents/agent-1.jsonl", b""), ("b", &[0, 255, 10])];
        let packed = pack(&files).unwrap();
        assert_eq!(packed, pack(&files).unwrap());
        let bundle = Bundle::from_bytes("x", packed).unwrap();
        let members: Vec<_> = (0..3).map(|index| bundle.head(index, 100).unwrap()).collect();
        let names: Vec<_> = bundle.members().iter().map(|member| member.name.as_str()).collect();
        assert_eq!(names, files.map(|(name, _)| name));
        assert_eq!(members, files.map(|(_, bytes)| bytes.to_vec()));
    }
}
