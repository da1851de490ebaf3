//! What an import promises, on real vaults.
