//! From a name on the Hugging Face hub to local files, and from local files to a repository on the hub.
