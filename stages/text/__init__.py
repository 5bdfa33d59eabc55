"""Text as language models write it, made into what is spoken. Pure and incremental."""
