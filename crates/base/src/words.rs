//! Splitting a line into arguments, with quotes; and quoting back.
