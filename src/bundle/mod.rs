//! The files an import is given: one file, a folder or a zip, listed once and read as bounded streams.
//!
//! Members are never extracted to paths, and no size that a file declares is believed.
