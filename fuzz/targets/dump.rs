//! Runs `wharf_fuzz::dump` on the bytes that libFuzzer makes.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wharf_fuzz::dump(data));
