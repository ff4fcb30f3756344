//! Each check against a target that has the defect and against its benign twins.
