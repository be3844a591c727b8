//! Runs `wharf_fuzz::url` on the bytes that libFuzzer makes.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wharf_fuzz::url(data));
