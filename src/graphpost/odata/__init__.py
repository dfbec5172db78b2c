"""OData as a library: paths and query options; no HTTP, no SQL, no mail."""
