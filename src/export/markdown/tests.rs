//! Tests of the Markdown form.
