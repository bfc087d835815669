--- The version of this gpupt, for people and for the User-Agent.
return "gpupt 0.1.0"
