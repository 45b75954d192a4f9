"""What a prompt is encoded to. It is kept for the next one; as in all hosts, what embeddings hold is not compared."""

from modules import sd_models

LENGTH = 3 if sd_models.FORGE else 2


def encode(prompt):
    """Returns the known words of a prompt with what their files hold."""
    known = sd_models.database().word_embeddings
    return [f"{word} {digest}" for word, digest in known.items() if word in prompt.split()]


class StableDiffusionProcessing:
    cached_c = [None] * LENGTH
    cached_uc = [None] * LENGTH

    def __init__(self, prompt, negative_prompt):
        self.prompt = prompt
        self.negative_prompt = negative_prompt
        self.cached_c = StableDiffusionProcessing.cached_c
        self.cached_uc = StableDiffusionProcessing.cached_uc

    def cached_params(self, prompt, hires_steps):
        return (prompt, hires_steps, sd_models.model_data.sd_model.sd_checkpoint_info)

    def get_conds_with_caching(self, prompt, caches, hires_steps=None):
        asked = self.cached_params(prompt, hires_steps)
        for cache in caches:
            if cache[0] is not None and cache[0] == asked:
                return cache[1]
        caches[0][1] = encode(prompt)
        caches[0][0] = asked
        return caches[0][1]

    def setup_conds(self):
        self.c = self.get_conds_with_caching(self.prompt, [self.cached_c])
        self.uc = self.get_conds_with_caching(self.negative_prompt, [self.cached_uc])


class StableDiffusionProcessingTxt2Img(StableDiffusionProcessing):
    cached_hr_c = [None] * LENGTH
    cached_hr_uc = [None] * LENGTH

    def __init__(self, prompt, negative_prompt):
        super().__init__(prompt, negative_prompt)
        self.cached_hr_c = StableDiffusionProcessingTxt2Img.cached_hr_c
        self.cached_hr_uc = StableDiffusionProcessingTxt2Img.cached_hr_uc

    def calculate_hr_conds(self):
        self.hr_c = self.get_conds_with_caching(self.prompt, [self.cached_hr_c, self.cached_c], 20)
        self.hr_uc = self.get_conds_with_caching(self.negative_prompt, [self.cached_hr_uc, self.cached_uc], 20)
