"""Sound as several stages need it: formats, resampling, pitch shift, PCM."""
