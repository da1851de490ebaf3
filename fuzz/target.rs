//! One fuzz target: a format, fed with bytes that libFuzzer and our own mutator change in turn.

#[path = "mutate.rs"]
mod mutate;
#[path = "replay.rs"]
mod replay;

/// Declares the fuzzing of a format.
macro_rules! fuzz_format {
    ($format:literal) => {
        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            // Bytes half of the time: what is no JSON must do no harm either.
            if seed % 2 == 0 {
                return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
            }
            let changed = crate::target::change(&data[..size], seed.into());
            let length = changed.len().min(max_size);
            data[..length].copy_from_slice(&changed[..length]);
            length
        });
        libfuzzer_sys::fuzz_target!(|data: &[u8]| crate::target::read($format, data));
    };
}
pub(crate) use fuzz_format;

/// The input with values changed.
pub fn change(data: &[u8], seed: u64) -> Vec<u8> {
    mutate::mutate(data, &mut mutate::Sequence(seed))
}

/// Reads the input and panics where a promise is broken.
pub fn read(format: &str, data: &[u8]) {
    replay::replay(format, data);
}
