//! The live reader.
